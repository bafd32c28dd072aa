using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// Sees to it that a process which was told to end does so in time, whatever it waits for: after the limit it ends as by
/// kill -9, which loses nothing here.
/// </summary>
sealed partial class ShutdownLimit(ILogger<ShutdownLimit> log) : IDisposable
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(8);

    readonly List<PosixSignalRegistration> _signals = [];

    /// <summary>Begins to listen for SIGTERM and SIGINT, beside the host.</summary>
    public void Watch()
    {
        foreach (var signal in new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT })
            _signals.Add(PosixSignalRegistration.Create(signal, _ => new Thread(End) { IsBackground = true }.Start()));
    }

    void End()
    {
        Thread.Sleep(Limit);
        LogEnded(Limit);
        Process.GetCurrentProcess().Kill();
    }

    public void Dispose() => _signals.ForEach(x => x.Dispose());

    [LoggerMessage(Level = LogLevel.Warning, Message = "Told to end {Limit} ago and still waiting: ended now; what was in flight is delivered again")]
    partial void LogEnded(TimeSpan limit);
}
