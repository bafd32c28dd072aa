using System.Diagnostics;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Service.Defaults;

/// <summary>Creates the connections to <c>ConnectionStrings:Database</c>, whose own options take precedence.</summary>
sealed class DatabaseConnections
{
    // Without a limit, a connection could stay permanently with a server that a failover has demoted.
    const string Lifetime = "Connection Lifetime=300";

    // Connections to a server that is not the primary any more are closed when they have been idle for ten seconds.
    // What waits for a primary that hangs is given up before a standby is promoted, as a rule after 20 s or more.
    // A command that is given up breaks its connection (Cancellation Timeout). Otherwise a commit that waits for a
    // synchronous standby would succeed when it is cancelled, although the standby does not have it. Before that,
    // Npgsql asks the server to cancel the command, on a new connection, and waits for one that hangs for Timeout or
    // longer; GSS would be negotiated first, with another such wait.
    const string SeveralHosts = "Host Recheck Seconds=1;Timeout=5;Command Timeout=12;GSS Encryption Mode=Disable;"
        + "Connection Idle Lifetime=10;Connection Pruning Interval=5;Cancellation Timeout=-1";

    static readonly string[] Primaries = ["primary", "read-write", "prefer-primary", "any"];

    readonly NpgsqlConnectionStringBuilder _settings;
    readonly bool _hasOwnPoolSize;

    /// <exception cref="StartException">
    /// The connection string is missing or wrong, or asks for a server that refuses writes.
    /// </exception>
    public DatabaseConnections(IConfiguration configuration)
    {
        var configured = configuration.GetConnectionString("Database") ?? throw new StartException(
            "ConnectionStrings:Database is not set: it must have PostgreSQL's host, database, user and password");
        var own = Read(configured);
        _hasOwnPoolSize = own.ShouldSerialize("Maximum Pool Size");
        Hosts = own.Host?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
        var defaults = Hosts.Count > 1 ? $"{Lifetime};{SeveralHosts}" : Lifetime;
        _settings = new NpgsqlConnectionStringBuilder($"{defaults};{configured}")
        {
            // No session state survives a command, so a returned connection needs no reset. Npgsql's automatic
            // preparation stays off: after an interrupted batch, the client and the server can disagree about which
            // statements are prepared, and every later command fails. The outbox prepares its statements under its own
            // names.
            NoResetOnClose = true,
            ClientEncoding = "UTF8", // Npgsql sends UTF-8, whatever it tells the server
        };
        _settings.Remove("Encoding");
        if (own.TargetSessionAttributes is { } wanted && !Primaries.Contains(wanted))
            throw new StartException($"Target Session Attributes is {wanted} in ConnectionStrings:Database: "
                + "a service writes, so leave it out; the host that accepts writes is used");
        _settings.Remove("Target Session Attributes"); // PrimaryDatabase chooses the host, not Npgsql
        _settings.Remove("Load Balance Hosts");
        foreach (var host in Hosts.DefaultIfEmpty(""))
            Check(Of(host));
    }

    static NpgsqlConnectionStringBuilder Read(string text)
    {
        try
        {
            return new NpgsqlConnectionStringBuilder(text);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or OverflowException)
        {
            throw new StartException($"ConnectionStrings:Database cannot be read: {e.Message}");
        }
    }

    /// <summary>Npgsql finds settings that contradict each other, or lack, only when it uses them.</summary>
    static void Check(NpgsqlConnectionStringBuilder settings)
    {
        string?[] files = [settings.SslCertificate, settings.SslKey, settings.RootCertificate, settings.Passfile];
        foreach (var file in files)
            if (file is { Length: > 0 } && !File.Exists(file))
                throw new StartException($"ConnectionStrings:Database cannot be used: there is no file {file}");
        try
        {
            NpgsqlDataSource.Create(settings).Dispose();
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException or InvalidOperationException)
        {
            throw new StartException($"ConnectionStrings:Database cannot be used: {e.Message}");
        }
    }

    /// <summary>The hosts of the connection string, with their ports if it has them.</summary>
    public IReadOnlyList<string> Hosts { get; }

    /// <summary>The pause after which each of several hosts is asked for its role again.</summary>
    public TimeSpan RecheckInterval => TimeSpan.FromSeconds(Math.Max(_settings.HostRecheckSeconds, 1));

    /// <summary>The maximum number of connections in the pool.</summary>
    public int MaxPoolSize => _settings.MaxPoolSize;

    /// <summary>
    /// Reduces the size of the pool to a limit of the server. Call this before <see cref="CreatePool" />.
    /// </summary>
    /// <param name="limit">The maximum size.</param>
    /// <param name="keepConfigured">Whether a size that is set in the connection string is kept.</param>
    /// <returns>Whether the size has changed.</returns>
    public bool LimitPool(int limit, bool keepConfigured)
    {
        if (limit >= _settings.MaxPoolSize || (keepConfigured && _hasOwnPoolSize))
            return false;
        _settings.MinPoolSize = Math.Min(_settings.MinPoolSize, limit);
        _settings.MaxPoolSize = limit;
        return true;
    }

    /// <summary>The pool for all work that needs a connection for a short time.</summary>
    public NpgsqlDataSource CreatePool(string host) => Create(Of(host), Name("pool", host));

    /// <summary>Connections of their own, which are opened for each user and closed at its end.</summary>
    public NpgsqlDataSource CreateOutsidePool(string host) => Create(OutsidePool(host), Name("outside the pool", host));

    /// <summary>The connection that asks a host for its role, and others while it does not respond.</summary>
    public NpgsqlDataSource CreateProbe(string host)
    {
        var settings = Of(host);
        (settings.MinPoolSize, settings.MaxPoolSize) = (1, 3);
        return new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = $"role of {host}" }.Build();
    }

    /// <summary>A closed connection outside the pool, on which nothing is set.</summary>
    public NpgsqlConnection CreatePlain(string host) => new(OutsidePool(host).ConnectionString);

    NpgsqlConnectionStringBuilder OutsidePool(string host)
    {
        var settings = Of(host);
        settings.Pooling = false;
        return settings;
    }

    NpgsqlConnectionStringBuilder Of(string host) => new(_settings.ConnectionString) { Host = host };

    string Name(string name, string host) => Hosts.Count > 1 ? $"{name} of {host}" : name;

    static NpgsqlDataSource Create(NpgsqlConnectionStringBuilder settings, string name)
    {
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString)
        {
            Name = name, // in metrics, instead of the connection string
        };
        // Commands are traced as parts of a trace, not as traces of their own.
        builder.ConfigureTracing(x => x.EnablePhysicalOpenTracing(false)
            .ConfigureCommandFilter(_ => Activity.Current is { Recorded: true })
            .ConfigureBatchFilter(_ => Activity.Current is { Recorded: true }));
        builder.UsePhysicalConnectionInitializer(
            connection =>
            {
                using var set = SetCommand(connection);
                set.ExecuteNonQuery();
            },
            async connection =>
            {
                await using var set = SetCommand(connection);
                await set.ExecuteNonQueryAsync();
            });
        return builder.Build();

        NpgsqlCommand SetCommand(NpgsqlConnection connection) =>
            new(SessionSettings.ToSql(settings.Options, connection.PostgreSqlVersion), connection);
    }
}
