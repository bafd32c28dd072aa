using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Saga.Servers;

/// <summary>A signal of the operating system, by its number on Linux.</summary>
public enum Signal
{
    /// <summary>Interrupt; PostgreSQL's fast shutdown.</summary>
    Int = 2,

    /// <summary>Quit; PostgreSQL's immediate shutdown, after which it recovers as from a crash.</summary>
    Quit = 3,

    /// <summary>The end, at once and without a word.</summary>
    Kill = 9,

    /// <summary>Go on after <see cref="Stop" />.</summary>
    Continue = 18,

    /// <summary>Stand still.</summary>
    Stop = 19,

    /// <summary>Please end.</summary>
    Term = 15,
}

/// <summary>
/// A program that this one started, in a session of its own (a Ctrl-C at the terminal does not reach it) and with its
/// output in a file.
/// </summary>
public sealed partial class ChildProcess : IAsyncDisposable
{
    readonly Process _process;

    ChildProcess(Process process, string name, string logFile) => (_process, Name, LogFile) = (process, name, logFile);

    /// <summary>What it is called in messages.</summary>
    public string Name { get; }

    /// <summary>Where its output is.</summary>
    public string LogFile { get; }

    /// <summary>The operating system's number for it.</summary>
    public int Id => _process.Id;

    /// <summary>Whether it has ended.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>Its exit code, once it has ended.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Starts a program.</summary>
    /// <param name="folder">Remembers the process, for who cleans up after a crash of this one.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="environment">Variables beside this process's own.</param>
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
        folder.Remember(process.Id);
        return new ChildProcess(process, name, log);
    }

    /// <summary>Sends a signal, if it still runs.</summary>
    public void Send(Signal signal)
    {
        if (!_process.HasExited)
            Send(_process.Id, signal);
    }

    /// <summary>Sends a signal to any process.</summary>
    public static void Send(int processId, Signal signal) => Kill(processId, (int)signal);

    /// <summary>Ends it: asks first, and kills it when it has not ended in time.</summary>
    public async Task StopAsync(Signal signal, TimeSpan patience)
    {
        Send(Signal.Continue);
        Send(signal);
        using var timeout = new CancellationTokenSource(patience);
        try
        {
            await _process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            Send(Signal.Kill);
            await _process.WaitForExitAsync(CancellationToken.None);
        }
    }

    /// <summary>The last lines of its output.</summary>
    public string Tail(int lines = 20) => File.Exists(LogFile) ? string.Join('\n', File.ReadLines(LogFile).TakeLast(lines)) : "";

    /// <summary>Kills it.</summary>
    public async ValueTask DisposeAsync()
    {
        Send(Signal.Kill);
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);
}
