using Grpc.Net.Client;
using Saga.Servers;

namespace Saga.Services;

/// <summary>One process of Order or Account, on ports of its own.</summary>
public sealed class ServiceReplica : IAsyncDisposable
{
    static readonly TimeSpan Reconnect = TimeSpan.FromMilliseconds(100);

    readonly IReadOnlyDictionary<string, string> _environment;
    readonly InstanceFolder _folder;
    readonly string _program;
    ChildProcess? _process;

    /// <summary>Describes a replica; <see cref="Start" /> starts it.</summary>
    /// <param name="folder">Keeps its log.</param>
    /// <param name="program">The path of its program.</param>
    /// <param name="name">What this replica is called.</param>
    /// <param name="grpcPort">Its port for gRPC.</param>
    /// <param name="httpPort">Its port for JSON.</param>
    /// <param name="settings">Its configuration, by environment variables.</param>
    public ServiceReplica(InstanceFolder folder, string program, string name, int grpcPort, int httpPort,
        IReadOnlyDictionary<string, string> settings)
    {
        (_folder, Name) = (folder, name);
        (GrpcAddress, HttpAddress) = (new Uri($"http://127.0.0.1:{grpcPort}"), new Uri($"http://127.0.0.1:{httpPort}"));

        _program = program;
        _environment = new Dictionary<string, string>(settings)
        {
            ["DOTNET_GCgen0size"] = "0x4000000", // as in docker/service.Dockerfile, which says why
            ["Kestrel__Endpoints__Grpc__Url"] = GrpcAddress.ToString(),
            ["Kestrel__Endpoints__Http__Url"] = HttpAddress.ToString(),
            ["DOTNET_gcServer"] = "0",
            // The whole system is on this machine: each service gets half of its processors. With more threads in the pool, every hop from
            // task to task wakes one that finds nothing to do (docs/performance.md). Blocked threads are still made up for.
            ["DOTNET_ThreadPool_ForceMinWorkerThreads"] = $"{Math.Max(1, Environment.ProcessorCount / 2):x}",
            ["DOTNET_HillClimbing_Disable"] = "1",
        };
        // A client by itself waits 1, 1.6, 2.6 s and so on between its tries to connect: what is measured here is the service.
        Channel = GrpcChannel.ForAddress(GrpcAddress, new GrpcChannelOptions { InitialReconnectBackoff = Reconnect, MaxReconnectBackoff = Reconnect });
    }

    /// <summary>What it is called.</summary>
    public string Name { get; }

    /// <summary>Where it takes gRPC.</summary>
    public Uri GrpcAddress { get; }

    /// <summary>Where it takes JSON.</summary>
    public Uri HttpAddress { get; }

    /// <summary>A connection to it.</summary>
    public GrpcChannel Channel { get; }

    /// <summary>The process's number.</summary>
    public int ProcessId => _process?.Id ?? throw new InvalidOperationException($"{Name} was not started");

    /// <summary>Whether the process has ended.</summary>
    public bool HasEnded => _process?.HasExited ?? true;

    /// <summary>Where its log is.</summary>
    public string LogFile => _process?.LogFile ?? "";

    /// <summary>Starts the process.</summary>
    /// <param name="more">More environment variables, for this start alone.</param>
    public void Start(IReadOnlyDictionary<string, string>? more = null) => _process = ChildProcess.Start(_folder, Name,
        ["dotnet", _program, "--contentRoot", Path.GetDirectoryName(_program)!],
        more == null ? _environment : new Dictionary<string, string>([.. _environment, .. more]));

    /// <summary>Runs the program beside the process to bring the database up to date, and answers its exit code.</summary>
    public async Task<int> MigrateAsync(CancellationToken cancellationToken = default)
    {
        await using var process = ChildProcess.Start(_folder, $"{Name}-migrate", ["dotnet", _program, "--contentRoot", Path.GetDirectoryName(_program)!, "--migrate"], _environment);
        await Wait.UntilAsync(() => Task.FromResult(process.HasExited), TimeSpan.FromMinutes(2), () => $"{Name} to migrate", cancellationToken);
        return process.ExitCode;
    }

    /// <summary>Waits until it says that it is ready.</summary>
    public async Task WaitUntilReadyAsync(CancellationToken cancellationToken = default)
    {
        using var http = new HttpClient { BaseAddress = HttpAddress, Timeout = TimeSpan.FromSeconds(5) };
        await Wait.UntilAsync(async () =>
        {
            if (_process!.HasExited)
                throw new InvalidOperationException($"{Name} has ended:\n{_process.Tail()}");
            try
            {
                using var answer = await http.GetAsync("/health/ready", cancellationToken);
                return answer.IsSuccessStatusCode;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
            {
                return false; // not yet, or not in time: it may wait for a database that has just come back
            }
        }, TimeSpan.FromSeconds(90), () => $"{Name} to be ready:\n{_process!.Tail()}", cancellationToken);
    }

    /// <summary>Sends the process a signal.</summary>
    public void Send(Signal signal) => _process?.Send(signal);

    /// <summary>Ends it as a crash would.</summary>
    public async Task KillAsync()
    {
        if (_process != null)
            await _process.DisposeAsync();
        _process = null;
    }

    /// <summary>Ends it in order.</summary>
    public async Task StopAsync()
    {
        if (_process != null)
            await _process.StopAsync(Signal.Term, TimeSpan.FromSeconds(15));
        await KillAsync();
    }

    /// <summary>Ends it.</summary>
    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await StopAsync();
    }
}
