using Grpc.Core;
using Messaging.Postgres;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>Warms up a service, so that its first orders do not wait for the JIT compiler and empty caches.</summary>
public static partial class WarmUpExtensions
{
    /// <summary>The number of runs: the container compiles the factory of a service after its second use.</summary>
    internal const int Rounds = 3;

    /// <summary>The time limit of the warm-up; after that, the service starts anyway.</summary>
    internal static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(5);

    /// <summary>Runs the handlers before the service accepts calls. A failure is logged; it only costs speed.</summary>
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
            // The service stops, so a failed warm-up does not matter.
        }
        catch (OperationCanceledException)
        {
            LogEnded(app.Logger, MaxTime);
        }
        catch (Exception e)
        {
            LogFailed(app.Logger, e);
        }
    }

    /// <summary>
    /// Calls the service through its own gRPC port, and keeps it unready until the calls have finished. Use it where
    /// clients wait for the first response, because the calls delay the start of the service.
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "The warm-up took longer than {Limit}, and was stopped. The "
        + "service works, but its first orders will be slow")]
    internal static partial void LogEnded(ILogger log, TimeSpan limit);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The warm-up failed. The service works, but its first orders will be slow")]
    static partial void LogFailed(ILogger log, Exception error);
}
