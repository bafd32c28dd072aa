using Messaging.Postgres;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Service.Defaults;

/// <summary>The database as both services have it.</summary>
public static partial class DatabaseExtensions
{
    const int ConnectionsAtStart = 6;

    /// <summary>
    /// Settings of a service's connections: its queries find rows by keys, and their plans are kept. One that was made while a table was
    /// empty, and the cheapest then, would read all of the table when it is not. They also hold for triggers and migrations: a
    /// migration that joins whole tables sets them back for itself.
    /// </summary>
    internal static readonly string[] PlansByKeys = ["enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off", "jit=off"];

    const long MigrationLock = 0x4F53_4147_41; // any number that nobody else takes: "OSAGA"

    /// <summary>Adds a pooled DbContext on <c>ConnectionStrings:Database</c>.</summary>
    public static void AddDatabase<TDbContext>(this WebApplicationBuilder builder) where TDbContext : DbContext
    {
        builder.Services.AddSingleton(provider => NpgsqlDataSource.Create(ConnectionString(provider.GetRequiredService<IConfiguration>())));
        builder.Services.AddDbContextPool<TDbContext>((provider, options) => options
            .UseNpgsql(provider.GetRequiredService<NpgsqlDataSource>())
            .UseSnakeCaseNamingConvention()
            .EnableThreadSafetyChecks(false)); // a scope has one flow, and the checks cost on every call
    }

    static string ConnectionString(IConfiguration configuration)
    {
        var given = configuration.GetConnectionString("Database")
            ?? throw new InvalidOperationException("ConnectionStrings:Database is not set: PostgreSQL's host, database, user and password");
        // A connection that leads to a server that was demoted in a failover does not stay for ever.
        var all = new NpgsqlConnectionStringBuilder($"Connection Lifetime=300;{given}");
        // Connections keep nothing that would need a reset. Statements are not prepared automatically: a connection whose batch was cut
        // off can then disagree with its server about what is prepared, and fails from then on. Those that the outbox prepares have names of their own.
        all.NoResetOnClose = true;
        // A replica that stands still in a transaction loses it, and nobody waits for its locks for long: who meets one tries again.
        all.Options = $"-c idle_in_transaction_session_timeout=15s -c lock_timeout=3s {string.Concat(PlansByKeys.Select(x => $"-c {x} "))}{all.Options}".TrimEnd();
        return all.ConnectionString;
    }

    /// <summary>
    /// Brings the database's schema up to date, unless <c>Database:MigrateAtStartup</c> is false. Waits for a database
    /// that is still starting. Replicas that start together take turns. With <c>--migrate</c>, does that alone.
    /// </summary>
    /// <returns>True if the program is to run on.</returns>
    public static async Task<bool> MigrateAsync<TDbContext>(this WebApplication app, string[] args) where TDbContext : DbContext
    {
        var only = args.Contains("--migrate");
        if (only || app.Configuration.GetValue("Database:MigrateAtStartup", true))
            await Migrate<TDbContext>(app.Services, app.Lifetime.ApplicationStopping);
        return !only;
    }

    static async Task Migrate<TDbContext>(IServiceProvider services, CancellationToken cancellationToken) where TDbContext : DbContext
    {
        var log = services.GetRequiredService<ILogger<TDbContext>>();
        var patience = services.GetRequiredService<IConfiguration>().GetValue("Database:WaitAtStartup", TimeSpan.FromMinutes(2));
        var giveUp = DateTime.UtcNow + patience;
        while (true)
            try
            {
                await using var turn = await services.GetRequiredService<NpgsqlDataSource>().OpenConnectionAsync(cancellationToken);
                await using (var wait = await turn.BeginTransactionAsync(cancellationToken))
                {
                    await using (var unlimited = new NpgsqlCommand("set local lock_timeout = 0", turn))
                        await unlimited.ExecuteNonQueryAsync(cancellationToken);
                    await Execute(turn, "select pg_advisory_lock($1)"); // the session's, beyond this transaction
                    await wait.CommitAsync(cancellationToken);
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
                    await Execute(turn, "select pg_advisory_unlock($1)");
                }

                await WarmUp(services, cancellationToken);
                return;
            }
            catch (Exception e) when (PostgresErrors.IsUnavailable(e) && DateTime.UtcNow < giveUp)
            {
                LogWaiting(log, e.Message);
                await Task.Delay(250, cancellationToken);
            }

        async Task Execute(NpgsqlConnection connection, string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection) { Parameters = { new() { Value = MigrationLock } }, CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    /// <summary>Opens the connections that the first requests would have to wait for, each a login of some milliseconds.</summary>
    static async Task WarmUp(IServiceProvider services, CancellationToken cancellationToken)
    {
        var opened = new List<NpgsqlConnection>();
        try
        {
            while (opened.Count < ConnectionsAtStart)
                opened.Add(await services.GetRequiredService<NpgsqlDataSource>().OpenConnectionAsync(cancellationToken));
        }
        finally
        {
            foreach (var connection in opened)
                await connection.DisposeAsync();
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The database's schema is up to date after {Migrations}")]
    static partial void LogMigrated(ILogger log, string migrations);

    [LoggerMessage(Level = LogLevel.Information, Message = "Waiting for the database: {Reason}")]
    static partial void LogWaiting(ILogger log, string reason);
}
