using Messaging.Postgres;
using Messaging.Postgres.Observability;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Service.Defaults;

/// <summary>Waits for a database, checks its server, and migrates it or waits until it is migrated.</summary>
sealed partial class DatabaseStart<TDbContext>(
    IServiceProvider services,
    IConfiguration configuration,
    IHostApplicationLifetime lifetime,
    DatabaseConnections connections,
    PrimaryDatabase primary,
    ILogger<TDbContext> log)
    where TDbContext : DbContext
{
    const long LockKey = 0x4F53_4147_41; // "OSAGA": any key that no other application locks
    const long ProtectionKeyLock = LockKey + 1;
    const int WarmConnections = 7;

    static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(250);

    readonly LogLimit _unavailable = new(), _pending = new();

    /// <exception cref="StartException">The service cannot run on the database.</exception>
    public async Task RunAsync(bool migrate)
    {
        var maxWait = configuration.GetValue("Database:WaitAtStartup", TimeSpan.FromMinutes(2));
        for (var waitUntil = DateTime.UtcNow + maxWait; ;)
            try
            {
                if (!await primary.FindAsync(lifetime.ApplicationStopping))
                    throw new NpgsqlException("no host accepts writes");
                if (await ServerCheck.RunAsync(primary, connections, lifetime.ApplicationStopping) is { } limited)
                    LogLimited(limited);
                if (migrate)
                    await MigrateUnderLockAsync();
                else if (await FindMissingAsync() is { } names)
                {
                    if (_pending.IsDue(names, out _))
                        LogNotMigrated(names);
                    waitUntil = DateTime.UtcNow + maxWait; // the database is available
                    await Task.Delay(RetryDelay, lifetime.ApplicationStopping);
                    continue;
                }

                await FindProtectionKeyAsync();
                await FillPoolAsync();
                if (_unavailable.HasEnded(out var waited) | _pending.HasEnded(out var waitedForMigration))
                    LogReady(waited + waitedForMigration);
                return;
            }
            catch (Exception e) when (e.GetBaseException() is PostgresException
            {
                SqlState: PostgresErrorCodes.InsufficientPrivilege
            } denied)
            {
                throw new StartException($"The role lacks a right ({denied.MessageText}). To migrate, run --migrate "
                    + "with the owner's connection string and set Database:MigrateAtStartup to false; to run, a role "
                    + "needs the rights that --migrate gives to Database:RuntimeRole");
            }
            catch (Exception e) when (PostgresErrors.IsUnavailable(e))
            {
                var reason = Reason.Of(e);
                if (DateTime.UtcNow >= waitUntil)
                    throw new StartException($"The database was not available for {maxWait}: {reason}");
                if (_unavailable.IsDue(e, out _))
                    LogWaiting(reason, maxWait);
                await Task.Delay(RetryDelay, lifetime.ApplicationStopping);
            }
    }

    async Task MigrateUnderLockAsync()
    {
        await using var connection = await primary.OutsidePool.OpenConnectionAsync(lifetime.ApplicationStopping);
        await using (var transaction = await connection.BeginTransactionAsync(lifetime.ApplicationStopping))
        {
            // The lock belongs to the session and outlives this transaction; the setting does not.
            await ExecuteAsync("set local lock_timeout = 0");
            await ExecuteAsync($"select pg_advisory_lock({LockKey})");
            await transaction.CommitAsync(lifetime.ApplicationStopping);
        }

        if (await FindPendingAsync() is { Count: > 0 } pending)
        {
            await using var scope = services.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<TDbContext>().Database;
            database.SetCommandTimeout(0); // an index of a large table takes minutes
            await database.MigrateAsync(lifetime.ApplicationStopping);
            LogMigrated(string.Join(", ", pending));
        }

        await DatabaseRoles.GrantAsync<TDbContext>(connection, configuration, lifetime.ApplicationStopping);

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(lifetime.ApplicationStopping);
        }
    }

    /// <summary>
    /// Reads the keys that encrypt page tokens and the state of sign-ins, and creates the first. Of several processes
    /// that start together, one creates it and the others find it: otherwise each would have another key, and read
    /// those of the others a day later.
    /// </summary>
    async Task FindProtectionKeyAsync()
    {
        if (services.GetService<IDataProtectionProvider>() is not { } protection)
            return;
        await using var connection = await primary.OutsidePool.OpenConnectionAsync(lifetime.ApplicationStopping);
        await using var transaction = await connection.BeginTransactionAsync(lifetime.ApplicationStopping);
        await using var command = new NpgsqlCommand(
            $"set local lock_timeout = 0; select pg_advisory_xact_lock({ProtectionKeyLock})", connection);
        await command.ExecuteNonQueryAsync(lifetime.ApplicationStopping);
        protection.CreateProtector(nameof(FindProtectionKeyAsync)).Protect([]);
    }

    /// <summary>What another process must still do before the service can run; null if nothing.</summary>
    async Task<string?> FindMissingAsync()
    {
        if (await FindPendingAsync() is { Count: > 0 } pending)
            return string.Join(", ", pending);
        // The process that has migrated may still have to grant the rights.
        await using var command =
            primary.OutsidePool.CreateCommand($"select pg_try_advisory_xact_lock_shared({LockKey})");
        return (bool)(await command.ExecuteScalarAsync(lifetime.ApplicationStopping))! ? null : "one that runs now";
    }

    async Task<List<string>> FindPendingAsync()
    {
        await using var scope = services.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<TDbContext>().Database;
        // Without its history table, reading the applied migrations logs an error each time.
        return await database.GetService<IHistoryRepository>().ExistsAsync(lifetime.ApplicationStopping)
            ? [.. await database.GetPendingMigrationsAsync(lifetime.ApplicationStopping)]
            : [.. database.GetMigrations()];
    }

    /// <summary>Fills the connection pool, so that the first requests do not wait for a login.</summary>
    async Task FillPoolAsync()
    {
        var opened = new List<NpgsqlConnection>();
        try
        {
            while (opened.Count < Math.Min(WarmConnections, connections.MaxPoolSize))
                opened.Add(await primary.Pool.OpenConnectionAsync(lifetime.ApplicationStopping));
        }
        finally
        {
            foreach (var connection in opened)
                await connection.DisposeAsync();
        }
    }

    [LoggerMessage(Level = LogLevel.Information,
        Message = "The database schema is up to date. Applied migrations: {Migrations}")]
    partial void LogMigrated(string migrations);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database is not migrated, and Database:MigrateAtStartup is "
        + "false. The service waits until these migrations are applied by --migrate: {Migrations}")]
    partial void LogNotMigrated(string migrations);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "The database is not available yet. The service waits for it, for {MaxWait} at most: {Reason}")]
    partial void LogWaiting(string reason, TimeSpan maxWait);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "The database is available and migrated. The service continues its start, after {Duration}")]
    partial void LogReady(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Limit}")]
    partial void LogLimited(string limit);
}
