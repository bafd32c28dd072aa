namespace Saga.Servers;

/// <summary>A private RabbitMQ broker, run from the programs installed on this machine.</summary>
public sealed class LocalRabbit : RabbitServer, IStoppableBroker, IAsyncDisposable
{
    readonly InstanceFolder _folder;
    readonly ChildProcess _portMapper;
    readonly string _program;
    readonly Dictionary<string, string> _environment;
    ChildProcess? _server;

    /// <summary>Creates a broker's data folder; <see cref="StartAsync" /> starts the broker.</summary>
    /// <param name="folder">The folder of its data and logs.</param>
    /// <param name="program">The path of the server program.</param>
    /// <param name="port">The port for AMQP.</param>
    /// <param name="managementPort">The port of the management UI.</param>
    /// <param name="settings">More lines of rabbitmq.conf.</param>
    public LocalRabbit(InstanceFolder folder, string program, int port, int managementPort,
        params IEnumerable<string> settings)
        : base(new Uri($"{LocalTls.Scheme("amqp")}://ordersaga:ordersaga@127.0.0.1:{port}/"),
            new Uri($"{LocalTls.Scheme("http")}://127.0.0.1:{managementPort}/"))
    {
        (_folder, _program) = (folder, program);
        var home = folder.CreateSubfolder($"rabbitmq-{port}");
        var mapperPort = Ports.Pick();
        _environment = new()
        {
            ["HOME"] = home,
            ["ERL_EPMD_PORT"] = $"{mapperPort}",
            ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
            // without it, a shell between this process and the server would receive the signals
            ["RUNNING_UNDER_SYSTEMD"] = "true",
            ["RABBITMQ_NODENAME"] = $"ordersaga-{port}@localhost",
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
            {Listeners(port, managementPort)}
            default_user = {User}
            default_pass = {Password}
            default_user_tags.administrator = true
            default_user_tags.impersonator = true
            disk_free_limit.absolute = 100MB
            vm_memory_high_watermark.relative = {MemoryLimit}
            {string.Join('\n', settings)}

            """);
        _portMapper = ChildProcess.Start(folder, $"epmd-{port}",
            ["epmd", "-port", $"{mapperPort}", "-address", "127.0.0.1"]);
    }

    static string Listeners(int port, int managementPort) => LocalTls.Instance is not { } tls ? $"""
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
    public async Task SetMemoryAlarmAsync(bool isRaised)
    {
        var program = Path.Combine(Path.GetDirectoryName(_program)!, "rabbitmqctl");
        await using var control = ChildProcess.Start(_folder, "rabbitmqctl", [program, .. MemoryAlarmCommand(isRaised)],
            _environment);
        await Wait.UntilAsync(() => Task.FromResult(control.HasExited), TimeSpan.FromSeconds(60),
            () => $"rabbitmqctl:\n{control.Tail()}");
        if (control.ExitCode != 0)
            throw new InvalidOperationException($"rabbitmqctl failed:\n{control.Tail()}");
    }

    /// <summary>Kills the broker; its data is not needed any more.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_server != null)
            await _server.DisposeAsync();
        await _portMapper.DisposeAsync();
        Dispose();
    }
}
