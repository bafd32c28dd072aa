using Npgsql;

namespace Saga.Servers;

/// <summary>A PostgreSQL server, with its superuser's login.</summary>
/// <param name="host">The host, or several with their ports, such as <c>a:5432,b:5432</c>.</param>
/// <param name="port">The port of a single host.</param>
/// <param name="user">The superuser.</param>
/// <param name="password">The superuser's password.</param>
public class PostgresServer(string host, int port, string user, string password)
{
    const string RolePassword = "local";

    /// <summary>
    /// The settings of a server that is started here, as arguments of its program. By autovacuum's default interval of
    /// one minute, dead outbox rows of a busy system would fill the shared buffers.
    /// </summary>
    internal static IReadOnlyList<string> Settings { get; } =
    [
        "-c", "max_connections=300",
        "-c", "shared_buffers=512MB",
        "-c", "max_wal_size=4GB",
        "-c", "autovacuum_naptime=10s",
    ];

    /// <summary>Reads a superuser's connection string.</summary>
    public static PostgresServer From(string connectionString)
    {
        var c = new NpgsqlConnectionStringBuilder(connectionString);
        return new PostgresServer(c.Host ?? "127.0.0.1", c.Port, c.Username ?? "postgres", c.Password ?? "");
    }

    /// <summary>The server's host and port.</summary>
    public string Address => host.Contains(':', StringComparison.Ordinal) ? host : $"{host}:{port}";

    /// <summary>The superuser's connection string for a database.</summary>
    public string Admin(string database = "postgres") => ConnectionString(database, user, password);

    /// <summary>Whether the server accepts connections.</summary>
    public async Task<bool> IsUpAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = new NpgsqlConnection(Admin() + ";Pooling=false;Timeout=2");
            await connection.OpenAsync(cancellationToken);
            return true;
        }
        catch (NpgsqlException)
        {
            return false; // not started yet
        }
    }

    /// <summary>
    /// Creates a database and its owner, and denies all other users. A database that was created here before is kept.
    /// </summary>
    /// <returns>The owner's connection string.</returns>
    /// <exception cref="InvalidOperationException">A database of this name was not created here.</exception>
    public async Task<string> CreateDatabaseAsync(string name, CancellationToken cancellationToken = default)
    {
        await using var admin = NpgsqlDataSource.Create(Admin() + ";Pooling=false");
        await using var find = admin.CreateCommand(
            $"select pg_get_userbyid(datdba) from pg_database where datname = '{name}'");
        var owner = (string?)await find.ExecuteScalarAsync(cancellationToken);
        var connection = ConnectionString(name, name, RolePassword);
        if (owner != null && (owner != name || !await CanConnectAsync(connection, cancellationToken)))
            throw new InvalidOperationException(
                $"{Address} has a database {name} that was not created here; its owner is {owner}. Rename or drop it.");
        if (owner == null)
        {
            await CreateRoleAsync(admin, name, cancellationToken);
            await ExecuteAsync(admin, $"create database \"{name}\" owner \"{name}\"", cancellationToken);
        }

        await ExecuteAsync(admin, $"revoke connect on database \"{name}\" from public", cancellationToken);
        return connection;
    }

    /// <summary>
    /// Creates a database as <see cref="CreateDatabaseAsync" />, and two roles that have no rights until its owner has
    /// migrated it.
    /// </summary>
    /// <exception cref="InvalidOperationException">A database of this name was not created here.</exception>
    public async Task<DatabaseLogins> CreateDatabaseAndRolesAsync(string name,
        CancellationToken cancellationToken = default)
    {
        await CreateDatabaseAsync(name, cancellationToken);
        await using var admin = NpgsqlDataSource.Create(Admin() + ";Pooling=false");
        foreach (var role in (string[])[RuntimeRoleOf(name), ReaderRoleOf(name)])
            await CreateRoleAsync(admin, role, cancellationToken);
        return LoginsOf(name);
    }

    /// <summary>
    /// Copies a database that has been migrated and that nobody uses now. The roles of the copy are members of the same
    /// roles of the original, which have the rights.
    /// </summary>
    public async Task<DatabaseLogins> CopyDatabaseAsync(string name, string original,
        CancellationToken cancellationToken = default)
    {
        await using var admin = NpgsqlDataSource.Create(Admin() + ";Pooling=false");
        foreach (var roleOf in (Func<string, string>[])[x => x, RuntimeRoleOf, ReaderRoleOf])
        {
            await CreateRoleAsync(admin, roleOf(name), cancellationToken);
            await ExecuteAsync(admin, $"grant \"{roleOf(original)}\" to \"{roleOf(name)}\"", cancellationToken);
        }

        // The owner of its tables, which creates some while the service runs.
        await ExecuteAsync(admin, $"create database \"{name}\" owner \"{original}\" template \"{original}\"",
            cancellationToken);
        await ExecuteAsync(admin, $"""
            revoke all on database "{name}" from public;
            grant connect on database "{name}" to "{RuntimeRoleOf(name)}", "{ReaderRoleOf(name)}"
            """, cancellationToken);
        return LoginsOf(name);
    }

    DatabaseLogins LoginsOf(string database) => new(ConnectionString(database, database, RolePassword),
        ConnectionString(database, RuntimeRoleOf(database), RolePassword),
        ConnectionString(database, ReaderRoleOf(database), RolePassword));

    static string RuntimeRoleOf(string database) => $"{database}_runtime";

    static string ReaderRoleOf(string database) => $"{database}_reader";

    static Task CreateRoleAsync(NpgsqlDataSource admin, string name, CancellationToken cancellationToken) =>
        ExecuteAsync(admin, $"""
            do $$ begin
                if not exists (select from pg_roles where rolname = '{name}') then
                    create role "{name}" login password '{RolePassword}';
                end if;
            end $$
            """, cancellationToken);

    static async Task ExecuteAsync(NpgsqlDataSource admin, string sql, CancellationToken cancellationToken)
    {
        await using var command = admin.CreateCommand(sql);
        command.CommandTimeout = 600; // a database is created and dropped with checkpoints
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    static async Task<bool> CanConnectAsync(string connectionString, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = new NpgsqlConnection($"{connectionString};Pooling=false");
            await connection.OpenAsync(cancellationToken);
            return true;
        }
        catch (PostgresException e) when (
            e.SqlState is PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification)
        {
            return false;
        }
    }

    /// <summary>Drops a database and its roles, and closes its connections.</summary>
    public async Task DropDatabaseAsync(string name)
    {
        await using var admin = NpgsqlDataSource.Create(Admin() + ";Pooling=false");
        await ExecuteAsync(admin, $"drop database if exists \"{name}\" with (force)", default);
        await ExecuteAsync(admin,
            $"drop role if exists \"{name}\", \"{RuntimeRoleOf(name)}\", \"{ReaderRoleOf(name)}\"", default);
    }

    string ConnectionString(string database, string username, string secret) =>
        $"Host={host};Port={port};Database={database};Username={username};Password={secret}{MoreSettings}";

    /// <summary>More of its connection strings, beginning with a semicolon; empty for nothing.</summary>
    protected virtual string MoreSettings => "";
}
