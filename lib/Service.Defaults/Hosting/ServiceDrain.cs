using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>
/// The first part of a shutdown: the service is no longer ready, but serves for the delay in
/// <see cref="ShutdownOptions" />. Only then do streams end, and the port is closed.
/// </summary>
public sealed partial class ServiceDrain(IHostApplicationLifetime lifetime, IOptions<ShutdownOptions> options,
    TimeProvider time, ILogger<ServiceDrain> log) : IHostedLifecycleService, IHealthCheck, IDisposable
{
    readonly CancellationTokenSource _ended = new();

    /// <summary>Cancelled when the delay has passed: open streams must end.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <inheritdoc />
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Task.FromResult(lifetime.ApplicationStopping.IsCancellationRequested
            ? new HealthCheckResult(context.Registration.FailureStatus, "the service is stopping")
            : HealthCheckResult.Healthy());
    }

    /// <summary>Waits for the delay, before any part of the service stops.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        LogStopping(options.Value.Delay);
        await Task.Delay(options.Value.Delay, time, cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _ended.CancelAsync();
    }

    /// <inheritdoc />
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc />
    public void Dispose() => _ended.Dispose();

    [LoggerMessage(Level = LogLevel.Information,
        Message = "The service is stopping. It reports that it is not ready, and still serves calls for {Delay}")]
    partial void LogStopping(TimeSpan delay);
}
