using Messaging.RabbitMq;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Service.Defaults;

/// <summary>Makes a service Degraded, which is still ready, while an operator has paused one of its queues.</summary>
sealed class PauseCheck(QueuePauses pauses) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context,
        CancellationToken cancellationToken = default) => Task.FromResult(pauses.Paused is { Count: > 0 } paused
            ? HealthCheckResult.Degraded($"an operator has paused {string.Join(", ", paused)}")
            : HealthCheckResult.Healthy());
}
