using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Service.Defaults;

/// <summary>Registers the database of a service.</summary>
public static class DatabaseExtensions
{
    /// <summary>
    /// The key of the <see cref="NpgsqlDataSource" /> whose connections are outside the pool: for users that keep
    /// theirs for a long time, and so would make a small pool smaller.
    /// </summary>
    public const string OutsidePool = "outside the pool";

    /// <summary>Adds a pooled DbContext on <c>ConnectionStrings:Database</c>.</summary>
    public static void AddDatabase<TDbContext>(this WebApplicationBuilder builder) where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddSingleton<DatabaseConnections>();
        builder.Services.AddSingleton(x => x.GetRequiredService<DatabaseConnections>().CreatePool());
        builder.Services.AddKeyedSingleton(OutsidePool,
            (x, _) => x.GetRequiredService<DatabaseConnections>().CreateOutsidePool());
        builder.Services.AddDbContextPool<TDbContext>((provider, options) => options
            .UseNpgsql(provider.GetRequiredService<NpgsqlDataSource>())
            .UseSnakeCaseNamingConvention()
            // The caller of a failed command decides whether the failure is expected, and logs it if not.
            .ConfigureWarnings(x => x.Log(
                (CoreEventId.SaveChangesFailed, LogLevel.Debug), (CoreEventId.QueryIterationFailed, LogLevel.Debug),
                (RelationalEventId.CommandError, LogLevel.Debug), (RelationalEventId.ConnectionError, LogLevel.Debug),
                (RelationalEventId.TransactionError, LogLevel.Debug)))
            .EnableThreadSafetyChecks(false)); // a scope runs one operation at a time; the checks slow down each
    }
}
