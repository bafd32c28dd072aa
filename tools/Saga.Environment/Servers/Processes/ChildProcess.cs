using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Saga.Servers;

/// <summary>
/// A child process in its own session, so that Ctrl-C in the terminal does not reach it. Its output goes to a file.
/// </summary>
public sealed partial class ChildProcess : IAsyncDisposable
{
    static readonly TimeSpan MaxPauseDelay = TimeSpan.FromSeconds(1);

    readonly Process _process;

    ChildProcess(Process process, string name, string logFile) => (_process, Name, LogFile) = (process, name, logFile);

    /// <summary>The process's name in messages.</summary>
    public string Name { get; }

    /// <summary>The path of the file with the process's output.</summary>
    public string LogFile { get; }

    /// <summary>The process id.</summary>
    public int Id => _process.Id;

    /// <summary>Whether the process has exited.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>The exit code of a process that has exited.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Starts a program.</summary>
    /// <param name="folder">Records the process, so that a later run can kill it if this one crashes.</param>
    /// <param name="name">The process's name in messages, and the name of its log file.</param>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="environment">Environment variables in addition to this process's.</param>
    public static ChildProcess Start(InstanceFolder folder, string name, IReadOnlyList<string> command,
        IReadOnlyDictionary<string, string>? environment = null)
    {
        var log = Path.Combine(folder.Path, $"{name}.log");
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false };
        foreach (var word in (string[])["-c", "exec setsid \"$@\" </dev/null >>\"$0\" 2>&1", log, .. command])
            start.ArgumentList.Add(word);
        foreach (var (key, value) in environment ?? new Dictionary<string, string>())
            start.Environment[key] = value;
        var process = Process.Start(start) ?? throw new InvalidOperationException($"{name} was not started");
        folder.AddChild(process.Id);
        return new ChildProcess(process, name, log);
    }

    /// <summary>Sends a signal; without effect if the process has exited.</summary>
    public void Send(Signal signal)
    {
        if (_process.HasExited)
            return;
        Send(_process.Id, signal);
        // On a busy machine, its threads run on for some milliseconds.
        if (signal == Signal.Stop)
            SpinWait.SpinUntil(() => _process.HasExited || IsPaused(_process.Id), MaxPauseDelay);
    }

    /// <summary>Whether the kernel has paused a process; true where that is not known.</summary>
    static bool IsPaused(int processId)
    {
        var file = $"/proc/{processId}/stat";
        if (!File.Exists(file))
            return true;
        var stat = File.ReadAllText(file);
        return stat[stat.LastIndexOf(')') + 2] is 'T' or 't';
    }

    /// <summary>Sends a signal to any process.</summary>
    public static void Send(int processId, Signal signal) => Kill(processId, (int)signal);

    /// <summary>Sends a signal and waits for the exit; kills the process after a timeout.</summary>
    public async Task StopAsync(Signal signal, TimeSpan timeout)
    {
        Send(Signal.Continue); // a paused process does not handle signals
        Send(signal);
        using var expiry = new CancellationTokenSource(timeout);
        try
        {
            await _process.WaitForExitAsync(expiry.Token);
        }
        catch (OperationCanceledException)
        {
            Send(Signal.Kill);
            await _process.WaitForExitAsync(CancellationToken.None);
        }
    }

    /// <summary>The last lines of the output.</summary>
    public string Tail(int lines = 20) =>
        File.Exists(LogFile) ? string.Join('\n', File.ReadLines(LogFile).TakeLast(lines)) : "";

    /// <summary>Kills the process.</summary>
    public async ValueTask DisposeAsync()
    {
        Send(Signal.Kill);
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);
}
