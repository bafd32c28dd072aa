using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>Prepares the database of a starting service.</summary>
public static class MigrationExtensions
{
    /// <summary>
    /// Waits up to <c>Database:WaitAtStartup</c> for a database that is still starting, checks that the service can run
    /// on it, and migrates it to the current schema. If <c>Database:MigrateAtStartup</c> is false, waits without a
    /// limit until another process has migrated it. Replicas that start at the same time migrate one after the other.
    /// Meanwhile, the service is live but not ready.
    /// </summary>
    /// <returns>
    /// False if the program must end now: because its only task was <c>--migrate</c>, because it was stopped, or
    /// because it cannot run, which is logged in one line and sets the exit code.
    /// </returns>
    public static async Task<bool> MigrateAsync<TDbContext>(this WebApplication app, string[] args)
        where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(app);
        var mustEnd = args.Contains("--migrate");
        try
        {
            var migrate = mustEnd || app.Configuration.GetValue("Database:MigrateAtStartup", true);
            if (!mustEnd)
            {
                app.Services.GetService<IStartupValidator>()?.Validate();
                foreach (var check in app.Services.GetServices<IStartCheck>())
                    await check.RunAsync(app.Lifetime.ApplicationStopping);
            }

            var start = ActivatorUtilities.CreateInstance<DatabaseStart<TDbContext>>(app.Services).RunAsync(migrate);
            await using var server = new StartingServer(app);
            if (!mustEnd && await Task.WhenAny(start, Task.Delay(StartingServer.Delay)) != start)
                await server.StartAsync();
            await start;
        }
        catch (OperationCanceledException) when (app.Lifetime.ApplicationStopping.IsCancellationRequested)
        {
            mustEnd = true;
        }
        catch (Exception e) when (e is StartException || IsWrongSetting(e) || RunExtensions.IsWrongAddress(e))
        {
            app.LogCannotRun(e);
            mustEnd = true;
        }

        if (mustEnd)
            await app.DisposeAsync(); // writes the log, which the end of the program would cut off
        return !mustEnd;
    }

    /// <summary>Whether the configuration has a value that is out of range, or of another type.</summary>
    static bool IsWrongSetting(Exception error) => error switch
    {
        AggregateException several => several.InnerExceptions.All(IsWrongSetting),
        OptionsValidationException => true,
        _ => error is InvalidOperationException { Source: "Microsoft.Extensions.Configuration.Binder" },
    };
}
