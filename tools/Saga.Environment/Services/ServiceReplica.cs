using Grpc.Net.Client;
using Saga.Servers;

namespace Saga.Services;

/// <summary>A process of Order or Account on its own ports.</summary>
public sealed class ServiceReplica : IAsyncDisposable
{
    // By default, a client waits up to minutes between its attempts to connect; measurements would include that.
    static readonly TimeSpan ReconnectDelay = TimeSpan.FromMilliseconds(100);

    readonly Dictionary<string, string> _environment;
    readonly InstanceFolder _folder;
    readonly string _program;
    ChildProcess? _process;

    /// <summary>Describes a replica; <see cref="Start" /> starts it.</summary>
    /// <param name="folder">The folder of its log.</param>
    /// <param name="program">The path of its program.</param>
    /// <param name="name">Its name in messages and of its log file.</param>
    /// <param name="ports">Its ports.</param>
    /// <param name="settings">Its configuration, as environment variables.</param>
    /// <param name="token">Returns the token for calls; null for one that the tools sign.</param>
    public ServiceReplica(InstanceFolder folder, string program, string name, ReplicaPorts ports,
        IReadOnlyDictionary<string, string> settings, Func<Task<string>>? token = null)
    {
        ArgumentNullException.ThrowIfNull(ports);
        (_folder, Name) = (folder, name);
        (GrpcAddress, HttpAddress) = (AddressOf(ports.Grpc), AddressOf(ports.Http));
        MetricsAddress = new Uri($"http://127.0.0.1:{ports.Metrics}/metrics");
        OperationsAddress = AddressOf(ports.Operations);

        _program = program;
        _environment = new Dictionary<string, string>
        {
            ["Metrics__Url"] = MetricsAddress.GetLeftPart(UriPartial.Authority),
            ["Operations__Url"] = OperationsAddress.GetLeftPart(UriPartial.Authority),
            ["DOTNET_GCgen0size"] = "0x4000000", // docker/service.Dockerfile has the reason
            ["Kestrel__Endpoints__Grpc__Url"] = GrpcAddress.ToString(),
            ["Kestrel__Endpoints__Http__Url"] = HttpAddress.ToString(),
            ["DOTNET_gcServer"] = "0",
            ["Admission__MaxCallerShare"] = "1", // one caller places the orders of a load or a test
            ["Authentication__MaxCallsPerSecond"] = "0",
            // Both services share this machine, so each gets half of its processors. With more pool threads, queued
            // work wakes threads that find nothing to do (docs/performance.md). Blocked ones are still replaced.
            ["DOTNET_ThreadPool_ForceMinWorkerThreads"] = $"{Math.Max(1, Environment.ProcessorCount / 2):x}",
            ["DOTNET_HillClimbing_Disable"] = "1",
        };
        if (LocalTls.Instance is { } tls)
        {
            _environment["Tls__CertificateFile"] = tls.CertificateFile;
            _environment["Tls__KeyFile"] = tls.KeyFile;
        }

        foreach (var (key, value) in TokenIssuer.Instance.SettingsOf(folder).Concat(settings))
            _environment[key] = value;
        (Channel, OperationsChannel) = (ConnectTo(GrpcAddress, token), ConnectTo(OperationsAddress, token));
        AnonymousChannel = GrpcChannel.ForAddress(GrpcAddress);
    }

    static Uri AddressOf(int port) => new($"{LocalTls.Scheme("http")}://127.0.0.1:{port}");

    static GrpcChannel ConnectTo(Uri address, Func<Task<string>>? token) =>
        BearerCredentials.Connect(address, token, new GrpcChannelOptions
        {
            InitialReconnectBackoff = ReconnectDelay,
            MaxReconnectBackoff = ReconnectDelay,
        });

    /// <summary>The replica's name in messages and of its log file.</summary>
    public string Name { get; }

    /// <summary>The address of its gRPC API.</summary>
    public Uri GrpcAddress { get; }

    /// <summary>The address of its JSON API and health checks.</summary>
    public Uri HttpAddress { get; }

    /// <summary>The address at which Prometheus reads its metrics.</summary>
    public Uri MetricsAddress { get; }

    /// <summary>The address of its methods for operators.</summary>
    public Uri OperationsAddress { get; }

    /// <summary>A connection to its gRPC API.</summary>
    public GrpcChannel Channel { get; }

    /// <summary>Opens a connection to its gRPC API with another token.</summary>
    public GrpcChannel ConnectAs(string token) => ConnectTo(GrpcAddress, () => Task.FromResult(token));

    /// <summary>Makes a client of its JSON API.</summary>
    public HttpClient NewHttpClient(string? token = null) => BearerCredentials.NewHttpClient(HttpAddress, token);

    /// <summary>A connection to its gRPC API without a token.</summary>
    public GrpcChannel AnonymousChannel { get; }

    /// <summary>A connection to its methods for operators.</summary>
    public GrpcChannel OperationsChannel { get; }

    /// <summary>The process id.</summary>
    public int ProcessId => _process?.Id ?? throw new InvalidOperationException($"{Name} was not started");

    /// <summary>Whether the process has exited or was never started.</summary>
    public bool HasExited => _process?.HasExited ?? true;

    /// <summary>The path of its log; empty before the first start.</summary>
    public string LogFile => _process?.LogFile ?? "";

    string[] Command => ["dotnet", _program, "--contentRoot", Path.GetDirectoryName(_program)!];

    /// <summary>Starts the process.</summary>
    /// <param name="more">Additional environment variables for this start only.</param>
    public void Start(IReadOnlyDictionary<string, string>? more = null) =>
        _process = ChildProcess.Start(_folder, Name, Command, EnvironmentWith(more));

    /// <summary>Migrates the database by a second process of the same program.</summary>
    /// <param name="more">Environment variables of that process only, such as the login of the owner.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <exception cref="InvalidOperationException">The database could not be migrated.</exception>
    public async Task MigrateAsync(IReadOnlyDictionary<string, string>? more = null,
        CancellationToken cancellationToken = default)
    {
        await using var process = ChildProcess.Start(_folder, $"{Name}-migrate", [.. Command, "--migrate"],
            EnvironmentWith(more));
        await Wait.UntilAsync(() => Task.FromResult(process.HasExited), TimeSpan.FromMinutes(2),
            () => $"{Name} to migrate", cancellationToken);
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{Name} could not migrate its database:\n{process.Tail()}");
    }

    Dictionary<string, string> EnvironmentWith(IReadOnlyDictionary<string, string>? more)
    {
        var environment = new Dictionary<string, string>(_environment);
        foreach (var (key, value) in more ?? new Dictionary<string, string>())
            environment[key] = value;
        return environment;
    }

    /// <summary>Waits until the health check reports ready.</summary>
    /// <exception cref="InvalidOperationException">The process has exited.</exception>
    /// <exception cref="TimeoutException">The process was not ready in time.</exception>
    public async Task WaitUntilReadyAsync(CancellationToken cancellationToken = default)
    {
        using var http = new HttpClient { BaseAddress = HttpAddress, Timeout = TimeSpan.FromSeconds(5) };
        await Wait.UntilAsync(async () =>
        {
            if (_process!.HasExited)
                throw new InvalidOperationException($"{Name} has exited:\n{_process.Tail()}");
            try
            {
                using var response = await http.GetAsync("/health/ready", cancellationToken);
                return response.IsSuccessStatusCode;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException
                && !cancellationToken.IsCancellationRequested)
            {
                return false; // not started yet, or waiting for the database
            }
        }, TimeSpan.FromSeconds(90), () => $"{Name} to be ready:\n{_process!.Tail()}", cancellationToken);
    }

    /// <summary>Sends a signal to the process.</summary>
    public void Send(Signal signal) => _process?.Send(signal);

    /// <summary>Kills the process, as in a crash.</summary>
    public async Task KillAsync()
    {
        if (_process != null)
            await _process.DisposeAsync();
        _process = null;
    }

    /// <summary>Stops the process by SIGTERM; kills it if that takes longer than 15 s.</summary>
    public async Task StopAsync()
    {
        if (_process != null)
            await _process.StopAsync(Signal.Term, TimeSpan.FromSeconds(15));
        await KillAsync();
    }

    /// <summary>Stops the process and closes the connections.</summary>
    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        AnonymousChannel.Dispose();
        OperationsChannel.Dispose();
        await StopAsync();
    }
}
