using Messaging.Postgres;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Service.Defaults;

/// <summary>Migrates the database of a service.</summary>
public static partial class MigrationExtensions
{
    const long LockKey = 0x4F53_4147_41; // "OSAGA": any key that no other application locks
    const int WarmConnections = 7;

    static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// Migrates the database to the current schema, unless <c>Database:MigrateAtStartup</c> is false. Waits up to
    /// <c>Database:WaitAtStartup</c> for a database that is still starting. Replicas that start at the same time
    /// migrate one after the other.
    /// </summary>
    /// <returns>False if the program must end now, because its only task was <c>--migrate</c>.</returns>
    public static async Task<bool> MigrateAsync<TDbContext>(this WebApplication app, string[] args)
        where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(app);
        var migrateOnly = args.Contains("--migrate");
        if (migrateOnly || app.Configuration.GetValue("Database:MigrateAtStartup", true))
            await WaitAndMigrateAsync<TDbContext>(app);
        return !migrateOnly;
    }

    static async Task WaitAndMigrateAsync<TDbContext>(WebApplication app) where TDbContext : DbContext
    {
        var log = app.Services.GetRequiredService<ILogger<TDbContext>>();
        var stopping = app.Lifetime.ApplicationStopping;
        var deadline = DateTime.UtcNow
            + app.Configuration.GetValue("Database:WaitAtStartup", TimeSpan.FromMinutes(2));
        while (true)
            try
            {
                await MigrateUnderLockAsync<TDbContext>(app.Services, log, stopping);
                await OpenConnectionsAsync(app.Services, stopping);
                return;
            }
            catch (Exception e) when (PostgresErrors.IsUnavailable(e) && DateTime.UtcNow < deadline)
            {
                LogWaiting(log, RetryDelay, e.Message);
                await Task.Delay(RetryDelay, stopping);
            }
    }

    static async Task MigrateUnderLockAsync<TDbContext>(
        IServiceProvider services, ILogger log, CancellationToken cancellationToken) where TDbContext : DbContext
    {
        await using var connection = await services.GetRequiredService<NpgsqlDataSource>()
            .OpenConnectionAsync(cancellationToken);
        await using (var transaction = await connection.BeginTransactionAsync(cancellationToken))
        {
            // The lock belongs to the session and outlives this transaction; the setting does not.
            await ExecuteAsync("set local lock_timeout = 0");
            await ExecuteAsync($"select pg_advisory_lock({LockKey})");
            await transaction.CommitAsync(cancellationToken);
        }

        try
        {
            await using var scope = services.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<TDbContext>().Database;
            var pending = (await database.GetPendingMigrationsAsync(cancellationToken)).ToList();
            if (pending.Count > 0)
            {
                await database.MigrateAsync(cancellationToken);
                LogMigrated(log, string.Join(", ", pending));
            }
        }
        finally
        {
            await ExecuteAsync($"select pg_advisory_unlock({LockKey})");
        }

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    /// <summary>Fills the connection pool, so that the first requests do not wait for a login.</summary>
    static async Task OpenConnectionsAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var database = services.GetRequiredService<NpgsqlDataSource>();
        var opened = new List<NpgsqlConnection>();
        try
        {
            while (opened.Count < WarmConnections)
                opened.Add(await database.OpenConnectionAsync(cancellationToken));
        }
        finally
        {
            foreach (var connection in opened)
                await connection.DisposeAsync();
        }
    }

    [LoggerMessage(Level = LogLevel.Information,
        Message = "The database schema is up to date. Applied migrations: {Migrations}")]
    static partial void LogMigrated(ILogger log, string migrations);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "The database is not available yet; the service tries again in {Delay}: {Reason}")]
    static partial void LogWaiting(ILogger log, TimeSpan delay, string reason);
}
