using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Messaging.RabbitMq;

/// <summary>
/// Keeps a starting service unready until the bus has started and the exchanges and queues that the service sends to
/// are declared. While the broker cannot be reached, the service is Degraded: it commits its work and sends the
/// messages later.
/// </summary>
/// <param name="prepare">Declares what the service sends to; waits for the broker.</param>
/// <param name="hasStarted">Whether the bus has started.</param>
/// <param name="isUnreachable">Whether the broker cannot be reached.</param>
sealed class TransportReadiness(Func<CancellationToken, Task> prepare, Func<bool> hasStarted, Func<bool> isUnreachable)
    : BackgroundService, IHealthCheck
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await prepare(stoppingToken);
        while (!hasStarted())
            await Task.Delay(Pause, stoppingToken);
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context,
        CancellationToken cancellationToken = default)
    {
        if (ExecuteTask is { IsCompletedSuccessfully: true })
            return Task.FromResult(HealthCheckResult.Healthy());
        return Task.FromResult(isUnreachable()
            ? HealthCheckResult.Degraded("RabbitMQ cannot be reached: messages wait in the outbox")
            : new HealthCheckResult(context.Registration.FailureStatus,
                "the bus has not started, or the exchanges and queues that it sends to are not declared yet"));
    }
}
