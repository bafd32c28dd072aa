using Messaging.Postgres.Observability;
using Messaging.RabbitMq;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Service.Defaults;

/// <summary>Registers the metrics of a service.</summary>
public static class ObservabilityExtensions
{
    const string OtlpEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const string OtlpMetricsEndpoint = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";

    /// <summary>The meters of the platform, of the libraries, and of both services.</summary>
    static readonly string[] Meters =
    [
        "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "Npgsql",
        "MassTransit", MessagingMetrics.MeterName, RabbitMetrics.MeterName, RpcMetrics.MeterName,
        "Order.Service", "Account.Service",
    ];

    /// <summary>
    /// Serves the metrics at <c>Metrics:Url</c>, and exports them as the standard variables <c>OTEL_*</c> say. Without
    /// an address and an <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>, nothing is measured.
    /// </summary>
    /// <param name="builder">The service.</param>
    /// <param name="name">The name of the service, unless <c>OTEL_SERVICE_NAME</c> sets another.</param>
    public static void AddObservability(this WebApplicationBuilder builder, string name)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddTransient<IStartupFilter, OutermostMiddleware<RpcMetrics>>();
        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(x => x.AddService(name).AddEnvironmentVariableDetector());
        var url = UrlOf(builder.Configuration);
        var exportsMetrics = builder.Exports(OtlpMetricsEndpoint);
        if (url == null && !exportsMetrics)
            return;
        telemetry.WithMetrics(metrics =>
        {
            metrics.AddMeter(Meters);
            // MassTransit counts down with counters, which must not decrease.
            metrics.AddView(x => x.Meter.Name == "MassTransit" && x.Name.EndsWith(".active", StringComparison.Ordinal)
                ? MetricStreamConfiguration.Drop : null);
            if (url != null)
                metrics.AddPrometheusExporter(x => x.ScrapeResponseCacheDurationMilliseconds = 0);
            if (exportsMetrics)
                metrics.AddOtlpExporter();
        });
        if (url != null)
            builder.Services.AddHostedService(x => new MetricsServer(url, x.GetRequiredService<MeterProvider>(),
                x.GetRequiredService<ILogger<MetricsServer>>()));
    }

    static bool Exports(this WebApplicationBuilder builder, string signal) =>
        !string.IsNullOrEmpty(builder.Configuration[OtlpEndpoint])
        || !string.IsNullOrEmpty(builder.Configuration[signal]);

    static string? UrlOf(IConfiguration configuration) =>
        configuration.GetSection("Metrics").Get<MetricsOptions>()?.Url is { Length: > 0 } url
        && BindingAddress.Parse(url).Port != 0 ? url : null;
}
