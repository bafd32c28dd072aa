using System.Diagnostics;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Service.Defaults;

/// <summary>Creates the connections to <c>ConnectionStrings:Database</c>, whose own options take precedence.</summary>
sealed class DatabaseConnections
{
    // Without a limit, a connection could stay permanently with a server that a failover has demoted.
    const string Lifetime = "Connection Lifetime=300";

    // Of several hosts, only the one that accepts writes; a promotion is noticed within a second. Connections to a
    // demoted server are not used any more, and closed when they have been idle for ten seconds.
    // A command that is given up breaks its connection (Cancellation Timeout). Otherwise a commit that waits for a
    // synchronous standby would succeed when it is cancelled, although the standby does not have it.
    const string SeveralHosts = "Target Session Attributes=read-write;Host Recheck Seconds=1;Timeout=5;"
        + "Connection Idle Lifetime=10;Connection Pruning Interval=5;Cancellation Timeout=-1";

    readonly NpgsqlConnectionStringBuilder _settings;
    readonly bool _hasOwnPoolSize;

    /// <exception cref="InvalidOperationException">The connection string is missing.</exception>
    public DatabaseConnections(IConfiguration configuration)
    {
        var configured = configuration.GetConnectionString("Database") ?? throw new InvalidOperationException(
            "ConnectionStrings:Database is not set: it must have PostgreSQL's host, database, user and password");
        var own = new NpgsqlConnectionStringBuilder(configured);
        _hasOwnPoolSize = own.ShouldSerialize("Maximum Pool Size");
        var hasSeveralHosts = own.Host?.Contains(',', StringComparison.Ordinal) == true;
        var defaults = hasSeveralHosts ? $"{Lifetime};{SeveralHosts}" : Lifetime;
        _settings = new NpgsqlConnectionStringBuilder($"{defaults};{configured}")
        {
            // No session state survives a command, so a returned connection needs no reset. Npgsql's automatic
            // preparation stays off: after an interrupted batch, the client and the server can disagree about which
            // statements are prepared, and every later command fails. The outbox prepares its statements under its own
            // names.
            NoResetOnClose = true,
        };
    }

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
    public NpgsqlDataSource CreatePool() => Create(_settings, "pool");

    /// <summary>Connections of their own, which are opened for each user and closed at its end.</summary>
    public NpgsqlDataSource CreateOutsidePool() => Create(OutsidePool(), "outside the pool");

    /// <summary>A closed connection outside the pool, on which nothing is set.</summary>
    public NpgsqlConnection CreatePlain() => new(OutsidePool().ConnectionString);

    NpgsqlConnectionStringBuilder OutsidePool() => new(_settings.ConnectionString) { Pooling = false };

    static NpgsqlDataSource Create(NpgsqlConnectionStringBuilder settings, string name)
    {
        var sql = SessionSettings.ToSql(settings.Options);
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
                using var set = new NpgsqlCommand(sql, connection);
                set.ExecuteNonQuery();
            },
            async connection =>
            {
                await using var set = new NpgsqlCommand(sql, connection);
                await set.ExecuteNonQueryAsync();
            });
        return builder.Build();
    }
}
