using Npgsql;

namespace Service.Defaults;

/// <summary>
/// Checks that a service can run on its database server, and reduces the pool to what the server and a pooler in front
/// of it allow.
/// </summary>
static class ServerCheck
{
    /// <summary>
    /// The connections outside the pool: to listen, to notify, and the lock of a migration. With several hosts, each
    /// has one more, which asks for its role.
    /// </summary>
    const int OutsidePool = 3;

    /// <summary>With a single connection, each user of the pool would wait for all others.</summary>
    const int MinPoolSize = 2;

    /// <summary>What PgBouncer opens per user and database by default.</summary>
    const int ConnectionsOfPooler = 20;

    const int SharingChecks = 3;
    const string Utf8 = "UTF8";

    /// <summary>PgBouncer's text for a pool that runs each statement alone; the SQLSTATE has many meanings.</summary>
    const string StatementPooling = "statement pooling";

    const string UnsupportedParameter = "unsupported startup parameter";

    /// <returns>A line that says to what the pool was reduced and why, or null.</returns>
    /// <exception cref="StartException">The service cannot run on this server.</exception>
    /// <exception cref="NpgsqlException">The server cannot be reached, or refuses writes.</exception>
    public static async Task<string?> RunAsync(
        PrimaryDatabase primary, DatabaseConnections connections, CancellationToken cancellationToken)
    {
        if (connections.MaxPoolSize < MinPoolSize)
            throw new StartException($"Maximum Pool Size is {connections.MaxPoolSize} in ConnectionStrings:Database, "
                + $"and a replica needs at least {MinPoolSize}");
        var outsidePool = OutsidePool + (primary.HasSeveralHosts ? 1 : 0);
        try
        {
            await using var connection = primary.CreatePlain();
            await connection.OpenAsync(cancellationToken);
            var server = await ReadAsync(connection, cancellationToken);
            if (server.Encoding != Utf8)
                throw new StartException($"The database {connection.Database} has the encoding {server.Encoding}, "
                    + $"which cannot store every text: create it with the encoding {Utf8}");
            if (server.Limit < outsidePool + MinPoolSize)
                throw new StartException($"The server allows this service {server.Limit} connections, and a replica "
                    + $"needs at least {outsidePool + MinPoolSize}: raise max_connections, or the connection limit of "
                    + "the role and the database");

            if (server.IsReadOnly)
                throw new NpgsqlException($"{connection.DataSource} refuses writes (it is a standby, or "
                    + "default_transaction_read_only is on)");

            // A pooler has made up the process id that it sent to the client.
            var isPooled = server.ProcessId != connection.ProcessID;
            if (isPooled && await AreSessionsSharedAsync(connection, primary, cancellationToken))
                throw TransactionPooling();
            if (connections.LimitPool(server.Limit - outsidePool, keepConfigured: false))
                return $"The server allows {server.Limit} connections, so the pool has at most "
                    + $"{connections.MaxPoolSize}. All replicas share this limit: set Maximum Pool Size accordingly";
            if (isPooled && connections.LimitPool(ConnectionsOfPooler - outsidePool, keepConfigured: true))
                return $"A connection pooler is in front of the database, so the pool has at most "
                    + $"{connections.MaxPoolSize} connections. Set Maximum Pool Size if the pooler allows more or less";
            return null;
        }
        catch (PostgresException e) when (Says(e, StatementPooling))
        {
            throw TransactionPooling();
        }
        catch (PostgresException e) when (Says(e, UnsupportedParameter))
        {
            throw new StartException($"The connection pooler refuses the connection: {e.MessageText}. Remove it from "
                + "ConnectionStrings:Database, or add it to ignore_startup_parameters of the pooler");
        }
    }

    static bool Says(PostgresException error, string text) =>
        error.SqlState == PostgresErrorCodes.ProtocolViolation
        && error.MessageText.Contains(text, StringComparison.Ordinal);

    static StartException TransactionPooling() => new("A connection pooler in transaction or statement mode is in "
        + "front of the database, which is not supported: set its pool_mode to session, or connect to PostgreSQL");

    static async Task<(string Encoding, int Limit, int ProcessId, bool IsReadOnly)> ReadAsync(
        NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            select current_setting('server_encoding'), least(
                nullif(d.datconnlimit, -1), case when not r.rolsuper then nullif(r.rolconnlimit, -1) end,
                current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int),
                pg_backend_pid(), current_setting('transaction_read_only')::bool
            from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = session_user
            """, connection);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return (row.GetString(0), row.GetInt32(1), row.GetInt32(2), row.GetBoolean(3));
    }

    /// <summary>
    /// Whether what one client sets is seen by another, or lost: then the pooler gives a client a server for a
    /// transaction only. Asked several times, and with and without another transaction, because it can be the same
    /// server by chance.
    /// </summary>
    static async Task<bool> AreSessionsSharedAsync(
        NpgsqlConnection first, PrimaryDatabase primary, CancellationToken cancellationToken)
    {
        const string get = "select current_setting('ordersaga.session', true)";
        var session = Guid.NewGuid().ToString();
        await QueryAsync(first, $"select set_config('ordersaga.session', '{session}', false)");
        await using var second = primary.CreatePlain();
        await second.OpenAsync(cancellationToken);
        await using (await second.BeginTransactionAsync(cancellationToken))
            if (await IsSharedAsync())
                return true;
        for (var i = 0; i < SharingChecks; i++)
            if (await IsSharedAsync())
                return true;
        return false;

        async Task<bool> IsSharedAsync() =>
            await QueryAsync(second, get) == session || await QueryAsync(first, get) != session;

        async Task<string?> QueryAsync(NpgsqlConnection connection, string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            return await command.ExecuteScalarAsync(cancellationToken) as string;
        }
    }
}
