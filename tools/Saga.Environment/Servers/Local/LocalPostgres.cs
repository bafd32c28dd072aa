using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Saga.Servers;

/// <summary>A private PostgreSQL server, run from the programs installed on this machine.</summary>
public sealed class LocalPostgres : PostgresServer, IStoppable, IAsyncDisposable
{
    internal const string AdminPassword = "local";
    readonly string[] _command;
    readonly InstanceFolder _folder;
    readonly int _port;
    ChildProcess? _server;

    LocalPostgres(InstanceFolder folder, string[] command, int port)
        : base("127.0.0.1", port, "postgres", AdminPassword) =>
        (_folder, _command, _port) = (folder, command, port);

    /// <summary>The program folder of the newest installed version; null if PostgreSQL is not installed.</summary>
    public static string? FindPrograms()
    {
        var versions = Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql") : [];
        var debian = versions.OrderByDescending(x => double.TryParse(Path.GetFileName(x), out var v) ? v : 0)
            .Select(x => Path.Combine(x, "bin"));
        return debian.Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
            .FirstOrDefault(x => File.Exists(Path.Combine(x, "initdb")) && File.Exists(Path.Combine(x, "postgres")));
    }

    /// <inheritdoc />
    protected override string MoreSettings =>
        LocalTls.Instance is { } tls ? $";SSL Mode=VerifyFull;Root Certificate={tls.CaFile}" : "";

    /// <summary>Creates a data folder and starts a server on it.</summary>
    public static async Task<LocalPostgres> StartAsync(InstanceFolder folder, string programs, int port,
        CancellationToken cancellationToken)
    {
        var (home, data) = await CreateHomeAsync(folder, port, cancellationToken);
        var passwordFile = Path.Combine(home, "password");
        await File.WriteAllTextAsync(passwordFile, AdminPassword, cancellationToken);
        await RunAsync([.. AsPostgres, Path.Combine(programs, "initdb"), "-D", data, "-U", "postgres",
            "-A", "scram-sha-256", "--pwfile", passwordFile, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            cancellationToken);
        return await StartAsync(folder, programs, data, port, cancellationToken);
    }

    /// <summary>Copies this server to a hot standby that follows it, and starts the standby.</summary>
    public async Task<LocalPostgres> StartStandbyAsync(string programs, int port,
        CancellationToken cancellationToken = default)
    {
        var (_, data) = await CreateHomeAsync(_folder, port, cancellationToken);
        await RunAsync([.. AsPostgres, Path.Combine(programs, "pg_basebackup"), "-D", data, "-R", "-X", "stream",
            "--checkpoint=fast", "--no-sync",
            "-d", $"host=127.0.0.1 port={_port} user=postgres password={AdminPassword}"], cancellationToken);
        return await StartAsync(_folder, programs, data, port, cancellationToken);
    }

    // PostgreSQL refuses to run as root.
    internal static string[] AsPostgres => Environment.UserName == "root"
        ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];

    static async Task<(string Home, string Data)> CreateHomeAsync(InstanceFolder folder, int port,
        CancellationToken cancellationToken)
    {
        var home = folder.CreateSubfolder($"postgres-{port}");
        if (AsPostgres.Length > 0)
            await RunAsync(["chown", "-R", "postgres:postgres", home], cancellationToken);
        return (home, Path.Combine(home, "data"));
    }

    static async Task<LocalPostgres> StartAsync(InstanceFolder folder, string programs, string data, int port,
        CancellationToken cancellationToken)
    {
        var server = new LocalPostgres(folder,
            [.. AsPostgres, Path.Combine(programs, "postgres"), "-D", data, "-p", $"{port}",
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", .. Settings,
            .. await EncryptAsync(data, cancellationToken)], port);
        await server.StartAsync(cancellationToken);
        return server;
    }

    /// <summary>The server reads a key only if it is its own.</summary>
    static async Task<string[]> EncryptAsync(string data, CancellationToken cancellationToken)
    {
        if (LocalTls.Instance is not { } tls)
            return [];
        var key = await InstallKeyAsync(tls, Path.GetDirectoryName(data)!, cancellationToken);
        return ["-c", "ssl=on", "-c", $"ssl_cert_file={tls.CertificateFile}", "-c", $"ssl_key_file={key}"];
    }

    /// <summary>Copies the key of the certificate, so that only the server's user can read it.</summary>
    /// <returns>The path of the copy.</returns>
    internal static async Task<string> InstallKeyAsync(LocalTls tls, string folder, CancellationToken cancellationToken)
    {
        var key = Path.Combine(folder, "server.key");
        await RunAsync(["install", "--mode=600", .. AsPostgres.Length > 0 ? (string[])["--owner=postgres"] : [],
            tls.KeyFile, key], cancellationToken);
        return key;
    }

    /// <inheritdoc />
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        _server = ChildProcess.Start(_folder, $"postgres-server-{_port}", _command);
        await Wait.UntilAsync(async () =>
        {
            if (_server.HasExited)
                throw new InvalidOperationException($"PostgreSQL has exited:\n{_server.Tail()}");
            return await IsUpAsync(cancellationToken);
        }, TimeSpan.FromSeconds(60), () => $"PostgreSQL at {Address}:\n{_server.Tail()}", cancellationToken);
    }

    /// <inheritdoc />
    public Task StopAsync(Signal signal) => _server?.StopAsync(signal, TimeSpan.FromSeconds(20)) ?? Task.CompletedTask;

    /// <inheritdoc />
    public Task PauseAsync()
    {
        SendAll(Signal.Stop);
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public Task ResumeAsync()
    {
        SendAll(Signal.Continue);
        return Task.CompletedTask;
    }

    /// <summary>Sends a signal to the server and to its backends.</summary>
    void SendAll(Signal signal)
    {
        if (_server is not { } server)
            return;
        server.Send(signal);
        SendToBackends(server.Id, signal);
    }

    /// <summary>Sends a signal to the backends of a server, which are its child processes.</summary>
    internal static void SendToBackends(int serverId, Signal signal)
    {
        var backends = File.ReadAllText($"/proc/{serverId}/task/{serverId}/children");
        foreach (var backend in backends.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            ChildProcess.Send(int.Parse(backend, CultureInfo.InvariantCulture), signal);
    }

    /// <summary>Stops the server.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(Signal.Int);

    internal static async Task RunAsync(string[] command, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        using var process = Process.Start(start)!;
        var output = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(cancellationToken),
            process.StandardError.ReadToEndAsync(cancellationToken));
        await process.WaitForExitAsync(cancellationToken);
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{string.Join(' ', command)} failed: {string.Join('\n', output)}");
    }
}
