using Grpc.Core;
using Messaging.Postgres;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>Warms a service up, so that its first orders do not wait for what .NET compiles and caches once.</summary>
public static partial class WarmUpExtensions
{
    /// <summary>The container compiles how it creates a service only after it has created that service twice.</summary>
    internal const int Rounds = 3;

    /// <summary>The time that one warm-up may take; the service starts without it after that.</summary>
    internal static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(5);

    /// <summary>Runs the handlers before the service accepts calls. A failure is logged, and only costs speed.</summary>
    /// <param name="app">The service.</param>
    /// <param name="run">Runs each handler once.</param>
    public static async Task WarmUpAsync<TDbContext>(this WebApplication app,
        Func<WarmUp<TDbContext>, CancellationToken, Task> run)
        where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(app);
        var stopping = app.Lifetime.ApplicationStopping;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(MaxTime);
        try
        {
            for (var i = 0; i < Rounds; i++)
                await run(app.Services.GetRequiredService<WarmUp<TDbContext>>(), limit.Token).WaitAsync(limit.Token);
        }
        catch (Exception) when (stopping.IsCancellationRequested)
        {
            // A service that stops has no first orders.
        }
        catch (Exception e)
        {
            LogFailed(app.Logger, e);
        }
    }

    /// <summary>
    /// Calls the service through its own gRPC port, and keeps it unready until that is done. Use it where clients wait
    /// for the first response; the rest of the start has to wait for these calls.
    /// </summary>
    /// <param name="builder">The service.</param>
    /// <param name="calls">Calls that the service rejects, so that they change nothing.</param>
    public static void AddWarmUpCalls(this WebApplicationBuilder builder,
        IReadOnlyList<Func<CallInvoker, CallOptions, Task>> calls)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddHealthChecks().AddCheck<WarmUpCalls>("warm-up-calls", tags: [ApiExtensions.Ready]);
        builder.Services.AddSingleton(x => ActivatorUtilities.CreateInstance<WarmUpCalls>(x, calls))
            .AddHostedService(x => x.GetRequiredService<WarmUpCalls>());
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The warm-up failed: the first orders will be slow")]
    static partial void LogFailed(ILogger log, Exception error);
}
