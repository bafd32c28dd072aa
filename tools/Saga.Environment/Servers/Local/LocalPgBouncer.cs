using Npgsql;

namespace Saga.Servers;

/// <summary>PgBouncer, run from the program installed on this machine, in front of a PostgreSQL server.</summary>
public sealed class LocalPgBouncer : IAsyncDisposable
{
    readonly string _users;
    readonly ChildProcess _server;

    LocalPgBouncer(int port, string users, ChildProcess server) => (Port, _users, _server) = (port, users, server);

    /// <summary>Its port on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>The path of the program; null if PgBouncer is not installed.</summary>
    public static string? FindProgram() =>
        new[] { "/usr/sbin" }.Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
            .Select(x => Path.Combine(x, "pgbouncer")).FirstOrDefault(File.Exists);

    /// <summary>Starts a pooler with PgBouncer's defaults.</summary>
    /// <param name="folder">The folder of its configuration and log.</param>
    /// <param name="postgres">The address of the server behind it, host:port.</param>
    /// <param name="settings">Lines of its configuration that differ from the defaults.</param>
    /// <exception cref="InvalidOperationException">PgBouncer is not installed, or has exited.</exception>
    public static async Task<LocalPgBouncer> StartAsync(InstanceFolder folder, string postgres,
        params IEnumerable<string> settings)
    {
        var program = FindProgram()
            ?? throw new InvalidOperationException("PgBouncer is not installed: apt-get install pgbouncer");
        var port = Ports.Pick();
        var home = folder.CreateSubfolder($"pgbouncer-{port}");
        var (configuration, users) = (Path.Combine(home, "pgbouncer.ini"), Path.Combine(home, "users.txt"));
        await File.WriteAllTextAsync(users, "");
        var address = postgres.Split(':');
        await File.WriteAllLinesAsync(configuration,
        [
            "[databases]", $"* = host={address[0]} port={address[1]}",
            "[pgbouncer]", "listen_addr = 127.0.0.1", $"listen_port = {port}", "unix_socket_dir =",
            "auth_type = scram-sha-256", $"auth_file = {users}", .. await EncryptAsync(home), .. settings,
        ]);

        // PgBouncer refuses to run as root.
        var server = ChildProcess.Start(
            folder, $"pgbouncer-{port}", [.. LocalPostgres.AsPostgres, program, configuration]);
        await Wait.UntilAsync(async () => server.HasExited
                ? throw new InvalidOperationException($"PgBouncer has exited:\n{server.Tail()}")
                : await Ports.IsOpenAsync("127.0.0.1", port, default),
            TimeSpan.FromSeconds(30), () => $"PgBouncer:\n{server.Tail()}");
        return new LocalPgBouncer(port, users, server);
    }

    static async Task<string[]> EncryptAsync(string home)
    {
        if (LocalTls.Instance is not { } tls)
            return [];
        var key = await LocalPostgres.InstallKeyAsync(tls, home, default);
        return
        [
            "client_tls_sslmode = require", $"client_tls_cert_file = {tls.CertificateFile}",
            $"client_tls_key_file = {key}",
            "server_tls_sslmode = verify-full", $"server_tls_ca_file = {tls.CaFile}",
        ];
    }

    /// <summary>Lets a user connect, and returns the connection string that leads through the pooler.</summary>
    /// <param name="connectionString">A connection string of the server behind the pooler.</param>
    public string Through(string connectionString)
    {
        var connection = new NpgsqlConnectionStringBuilder(connectionString);
        File.AppendAllLines(_users, [$"\"{connection.Username}\" \"{connection.Password}\""]);
        _server.Send(Signal.Hangup); // reads the file again
        (connection.Host, connection.Port) = ("127.0.0.1", Port);
        return connection.ConnectionString;
    }

    /// <summary>Stops the pooler.</summary>
    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
