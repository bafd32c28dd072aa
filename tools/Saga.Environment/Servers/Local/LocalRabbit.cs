namespace Saga.Servers;

/// <summary>A private RabbitMQ broker, run from the programs installed on this machine.</summary>
public sealed class LocalRabbit : RabbitServer, IStoppableBroker, IAsyncDisposable
{
    internal const string Login = "ordersaga";

    readonly InstanceFolder _folder;
    readonly ErlangNetwork _network;
    readonly bool _ownsNetwork;
    readonly string _program;
    readonly Dictionary<string, string> _environment;
    ChildProcess? _server;

    /// <summary>Creates a broker's data folder; <see cref="StartAsync" /> starts the broker.</summary>
    /// <param name="folder">The folder of its data and logs.</param>
    /// <param name="program">The path of the server program.</param>
    /// <param name="port">The port for AMQP.</param>
    /// <param name="managementPort">The port of the management UI.</param>
    /// <param name="tls">The certificates of both ports; null for plain ports.</param>
    /// <param name="settings">More lines of rabbitmq.conf.</param>
    public LocalRabbit(InstanceFolder folder, string program, int port, int managementPort, LocalTls? tls,
        params IEnumerable<string> settings)
        : this(folder, program, port, managementPort, tls, new ErlangNetwork(folder), settings) => _ownsNetwork = true;

    /// <summary>Creates the data folder of a broker that may be one node of a cluster.</summary>
    internal LocalRabbit(InstanceFolder folder, string program, int port, int managementPort, LocalTls? tls,
        ErlangNetwork network, IEnumerable<string> settings)
        : base(new Uri($"{LocalTls.Scheme("amqp", tls)}://{Login}:{Login}@127.0.0.1:{port}/"),
            new Uri($"{LocalTls.Scheme("http", tls)}://127.0.0.1:{managementPort}/"))
    {
        (_folder, _program, _network) = (folder, program, network);
        var home = folder.CreateSubfolder($"rabbitmq-{port}");
        _environment = new(network.Environment)
        {
            // without it, a shell between this process and the server would receive the signals
            ["RUNNING_UNDER_SYSTEMD"] = "true",
            ["RABBITMQ_NODENAME"] = NodeName = NameOf(port),
            ["RABBITMQ_DIST_PORT"] = $"{Ports.Pick()}",
            ["RABBITMQ_MNESIA_BASE"] = Path.Combine(home, "data"),
            ["RABBITMQ_LOG_BASE"] = Path.Combine(home, "log"),
            ["RABBITMQ_CONFIG_FILE"] = Path.Combine(home, "rabbitmq.conf"),
            ["RABBITMQ_CONF_ENV_FILE"] = "/dev/null",
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(home, "enabled_plugins"),
            ["RABBITMQ_PID_FILE"] = Path.Combine(home, "pid"),
            ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "-kernel inet_dist_use_interface {127,0,0,1}",
        };
        File.WriteAllText(_environment["RABBITMQ_ENABLED_PLUGINS_FILE"],
            "[rabbitmq_management,rabbitmq_shovel_management].\n");
        File.WriteAllText(_environment["RABBITMQ_CONFIG_FILE"], $"""
            {Listeners(port, managementPort, tls)}
            default_user = {User}
            default_pass = {Password}
            default_user_tags.administrator = true
            default_user_tags.impersonator = true
            disk_free_limit.absolute = 100MB
            vm_memory_high_watermark.relative = {MemoryLimit}
            {string.Join('\n', settings)}

            """);
    }

    static string Listeners(int port, int managementPort, LocalTls? tls) => tls == null ? $"""
        listeners.tcp.default = 127.0.0.1:{port}
        management.tcp.ip = 127.0.0.1
        management.tcp.port = {managementPort}
        """ : $"""
        listeners.tcp = none
        listeners.ssl.default = 127.0.0.1:{port}
        ssl_options.cacertfile = {tls.CaFile}
        ssl_options.certfile = {tls.CertificateFile}
        ssl_options.keyfile = {tls.KeyFile}
        management.ssl.ip = 127.0.0.1
        management.ssl.port = {managementPort}
        management.ssl.cacertfile = {tls.CaFile}
        management.ssl.certfile = {tls.CertificateFile}
        management.ssl.keyfile = {tls.KeyFile}
        """;

    /// <summary>The path of the server program; null if RabbitMQ is not installed.</summary>
    public static string? FindProgram() =>
        new[] { "/usr/lib/rabbitmq/bin" }.Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
            .Select(x => Path.Combine(x, "rabbitmq-server")).FirstOrDefault(File.Exists);

    /// <summary>The name of the node with this port for AMQP.</summary>
    internal static string NameOf(int port) => $"ordersaga-{port}@localhost";

    /// <summary>The name of this node among Erlang's.</summary>
    public string NodeName { get; }

    /// <summary>Additional arguments of the Erlang runtime, for parameters that rabbitmq.conf does not have.</summary>
    public string ErlangArguments
    {
        init => _environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] += $" {value}";
    }

    /// <inheritdoc />
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        _server = ChildProcess.Start(_folder, $"rabbitmq-server-{Port}", [_program], _environment);
        await Wait.UntilAsync(async () =>
        {
            if (_server.HasExited)
                throw new InvalidOperationException($"RabbitMQ has exited:\n{_server.Tail()}");
            return await IsUpAsync(cancellationToken);
        }, TimeSpan.FromSeconds(90), () => $"RabbitMQ at {Host}:{Port}:\n{_server.Tail()}", cancellationToken);
    }

    /// <inheritdoc />
    public Task StopAsync(Signal signal) => _server?.StopAsync(signal, TimeSpan.FromSeconds(30)) ?? Task.CompletedTask;

    /// <inheritdoc />
    public Task PauseAsync()
    {
        _server?.Send(Signal.Stop);
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public Task ResumeAsync()
    {
        _server?.Send(Signal.Continue);
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public Task SetMemoryAlarmAsync(bool isRaised) => RunAsync("rabbitmqctl", MemoryAlarmCommand(isRaised));

    /// <summary>Runs one of RabbitMQ's programs for operators on this node.</summary>
    /// <exception cref="InvalidOperationException">It has failed; the message is its output.</exception>
    internal async Task RunAsync(string program, params string[] arguments)
    {
        var path = Path.Combine(Path.GetDirectoryName(_program)!, program);
        await using var process = ChildProcess.Start(_folder, program, [path, .. arguments], _environment);
        await Wait.UntilAsync(() => Task.FromResult(process.HasExited), TimeSpan.FromSeconds(60),
            () => $"{program} {string.Join(' ', arguments)}:\n{process.Tail()}");
        if (process.ExitCode != 0)
            throw new InvalidOperationException(
                $"{program} {string.Join(' ', arguments)} failed:\n{process.Tail()}");
    }

    /// <summary>Deletes everything that the broker has stored; it must not run.</summary>
    internal void DeleteData() => Directory.Delete(_environment["RABBITMQ_MNESIA_BASE"], recursive: true);

    /// <summary>Kills the broker; its data is not needed any more.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_server != null)
            await _server.DisposeAsync();
        if (_ownsNetwork)
            await _network.DisposeAsync();
        Dispose();
    }
}
