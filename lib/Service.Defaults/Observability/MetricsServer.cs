using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;

namespace Service.Defaults;

/// <summary>
/// Serves the metrics to Prometheus on a port of their own, which can be open to a network that must not reach the API.
/// A port that is in use is logged, and the service runs without it.
/// </summary>
/// <param name="url">The address to listen at.</param>
/// <param name="metrics">The metrics.</param>
/// <param name="log">The log.</param>
sealed partial class MetricsServer(string url, MeterProvider metrics, ILogger<MetricsServer> log)
    : IHostedService, IAsyncDisposable
{
    static readonly TimeSpan MaxStopTime = TimeSpan.FromSeconds(1);

    WebApplication? _server;

    /// <summary>Opens the port.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrel().UseUrls(url);
        _server = builder.Build();
        _server.Use((context, next) =>
        {
            if (context.Features.Get<IHttpMetricsTagsFeature>() is { } own)
                own.MetricsDisabled = true; // the metrics are about the service's own calls
            return next();
        });
        _server.UseOpenTelemetryPrometheusScrapingEndpoint(metrics, null, null, null, null);
        try
        {
            await _server.StartAsync(cancellationToken);
        }
        catch (IOException e)
        {
            LogNotServed(url, e.Message);
        }
    }

    /// <summary>Closes the port.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(MaxStopTime);
        await (_server?.StopAsync(limit.Token) ?? Task.CompletedTask);
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;

    [LoggerMessage(Level = LogLevel.Error, Message =
        "The metrics cannot be served at {Url}; the service runs without them. Check Metrics:Url: {Reason}")]
    partial void LogNotServed(string url, string reason);
}
