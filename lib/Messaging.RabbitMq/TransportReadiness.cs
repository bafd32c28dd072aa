using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Messaging.RabbitMq;

/// <summary>
/// A service is not ready before the bus has started and what it sends messages by has been prepared, once. Where it finds no broker it
/// is, all the same: what it does until one is there is committed, and sent then.
/// </summary>
/// <param name="prepare">Prepares; waits for the broker.</param>
/// <param name="hasStarted">Whether the bus has started.</param>
/// <param name="isAway">Whether the broker is away.</param>
sealed class TransportReadiness(Func<CancellationToken, Task> prepare, Func<bool> hasStarted, Func<bool> isAway) : BackgroundService, IHealthCheck
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await prepare(stoppingToken);
        while (!hasStarted())
            await Task.Delay(Pause, stoppingToken);
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(ExecuteTask is { IsCompletedSuccessfully: true } ? HealthCheckResult.Healthy()
            : isAway() ? HealthCheckResult.Degraded("the broker cannot be reached: messages wait in the outbox")
            : new HealthCheckResult(context.Registration.FailureStatus, "the bus has not started, or the channel and the exchanges that it sends to are not there yet"));
}
