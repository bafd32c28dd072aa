using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>
/// Limits the time of a shutdown, whatever the process waits for. After the limit the process kills itself. The
/// services tolerate a crash at any point, so nothing is lost.
/// </summary>
sealed partial class ShutdownLimit(IOptions<ShutdownOptions> options, ILogger<ShutdownLimit> log) : IDisposable
{
    /// <summary>The time that the parts of a service have for their end, after <see cref="ServiceDrain" />.</summary>
    public static readonly TimeSpan StopTime = TimeSpan.FromSeconds(4);

    static readonly TimeSpan KillTime = StopTime + TimeSpan.FromSeconds(2);

    readonly List<PosixSignalRegistration> _signals = [];

    /// <summary>Handles SIGTERM and SIGINT, in addition to the host.</summary>
    public void Start()
    {
        foreach (var signal in new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT })
            _signals.Add(PosixSignalRegistration.Create(signal, _ =>
                new Thread(KillAfterLimit) { IsBackground = true }.Start()));
    }

    void KillAfterLimit()
    {
        var limit = options.Value.Delay + KillTime;
        Thread.Sleep(limit);
        LogKilled(limit);
        Process.GetCurrentProcess().Kill();
    }

    public void Dispose() => _signals.ForEach(x => x.Dispose());

    [LoggerMessage(Level = LogLevel.Warning, Message = "The shutdown has not finished within {Limit}. "
        + "The process is killed; the broker redelivers its unacknowledged messages")]
    partial void LogKilled(TimeSpan limit);
}
