using Messaging.Postgres;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Service.Defaults;

/// <summary>Registers the database of a service.</summary>
public static class DatabaseExtensions
{
    /// <summary>Adds a pooled DbContext on <c>ConnectionStrings:Database</c>.</summary>
    public static void AddDatabase<TDbContext>(this WebApplicationBuilder builder) where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddSingleton(provider =>
            NpgsqlDataSource.Create(ConnectionSettings.Build(provider.GetRequiredService<IConfiguration>())));
        builder.Services.AddDbContextPool<TDbContext>((provider, options) => options
            .UseNpgsql(provider.GetRequiredService<NpgsqlDataSource>())
            .UseSnakeCaseNamingConvention()
            .EnableThreadSafetyChecks(false)); // a scope runs one operation at a time; the checks slow down each
    }
}
