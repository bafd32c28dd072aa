using Messaging.Postgres;
using Messaging.Postgres.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>Registers the database of a service.</summary>
public static class DatabaseExtensions
{
    /// <summary>Adds a pooled DbContext on <c>ConnectionStrings:Database</c>.</summary>
    public static void AddDatabase<TDbContext>(this WebApplicationBuilder builder) where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddSingleton<DatabaseConnections>();
        builder.Services.AddSingleton(x => new PrimaryDatabase(
            x.GetRequiredService<DatabaseConnections>(), x.GetRequiredService<ILogger<PrimaryDatabase>>()));
        builder.Services.AddSingleton<IPrimaryServer>(x => x.GetRequiredService<PrimaryDatabase>());
        builder.Services.AddHostedService<PrimaryMonitor>();
        builder.Services.AddDbContextPool<TDbContext>((provider, options) => options
            .UsePrimary(provider.GetRequiredService<PrimaryDatabase>())
            // The outbox, where there is one, brings its own.
            .AddInterceptors(provider.GetService<IdleConnections>() == null
                ? [new IdleConnections(TimeProvider.System, provider.GetRequiredService<IPrimaryServer>())]
                : Array.Empty<IInterceptor>())
            .UseSnakeCaseNamingConvention()
            // The caller of a failed command decides whether the failure is expected, and logs it if not.
            .ConfigureWarnings(x => x.Log(
                (CoreEventId.SaveChangesFailed, LogLevel.Debug), (CoreEventId.QueryIterationFailed, LogLevel.Debug),
                (RelationalEventId.CommandError, LogLevel.Debug), (RelationalEventId.ConnectionError, LogLevel.Debug),
                (RelationalEventId.TransactionError, LogLevel.Debug)))
            .EnableThreadSafetyChecks(false)); // a scope runs one operation at a time; the checks slow down each
    }

    static DbContextOptionsBuilder UsePrimary(this DbContextOptionsBuilder options, PrimaryDatabase database)
    {
        options.UseNpgsql(database.LastPool);
        return database.HasSeveralHosts ? options.AddInterceptors(new PrimaryInterceptor(database)) : options;
    }
}
