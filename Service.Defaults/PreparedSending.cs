using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Service.Defaults;

/// <summary>A service is not ready before what it sends messages by has been prepared, once.</summary>
sealed class PreparedSending(Func<CancellationToken, Task> prepare) : BackgroundService, IHealthCheck
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => prepare(stoppingToken);

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(ExecuteTask is { IsCompletedSuccessfully: true }
            ? HealthCheckResult.Healthy()
            : new HealthCheckResult(context.Registration.FailureStatus, "the channel and the exchanges that it sends to are not there yet"));
}
