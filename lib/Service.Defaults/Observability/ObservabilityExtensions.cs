using System.Text.Encodings.Web;
using System.Text.Json;
using Messaging.Postgres.Observability;
using Messaging.RabbitMq;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Npgsql;
using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Service.Defaults;

/// <summary>Registers the metrics, traces and logs of a service.</summary>
public static class ObservabilityExtensions
{
    /// <summary>The meter of Order, and the source of its spans.</summary>
    const string OrderService = "Order.Service";

    const string OtlpEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>The meters of the platform, of the libraries, and of the services.</summary>
    static readonly string[] Meters =
    [
        "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "Npgsql",
        "MassTransit", MessagingMetrics.MeterName, RabbitMetrics.MeterName, RpcMetrics.MeterName,
        OrderService, "Account.Service", "Operations.Service",
    ];

    /// <summary>
    /// Serves the metrics at <c>Metrics:Url</c>, and exports metrics, traces and logs as the standard variables
    /// <c>OTEL_*</c> say. What is neither served nor exported is not measured.
    /// </summary>
    /// <param name="builder">The service.</param>
    /// <param name="name">The name of the service, unless <c>OTEL_SERVICE_NAME</c> sets another.</param>
    public static void AddObservability(this WebApplicationBuilder builder, string name)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.AddLogs();
        builder.Services.AddTransient<IStartupFilter, OutermostMiddleware<RpcMetrics>>();
        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(x => x.AddService(name).AddEnvironmentVariableDetector());
        // OpenTelemetry 1.20.1 ignores the endpoints of single signals in AddOtlpExporter.
        var exports = !string.IsNullOrEmpty(builder.Configuration[OtlpEndpoint]);
        if (exports)
            telemetry.WithTracing(AddTraces)
                .WithLogging(x => x.AddOtlpExporter(), x =>
                {
                    x.IncludeFormattedMessage = true;
                    x.IncludeScopes = true;
                });
        builder.AddMetrics(telemetry, builder.Read("Metrics", UrlOf, null), exports);
    }

    /// <summary>
    /// Lines have the fields of <see cref="LineFields" /> if <c>Logging:Console:FormatterName</c> is json, and in
    /// exported logs. In text, they would be additional lines.
    /// </summary>
    static void AddLogs(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IExternalScopeProvider, LineFields>();
        builder.Services.AddSingleton<LoggerFactory>()
            .Replace(ServiceDescriptor.Singleton<ILoggerFactory, LibraryLogs>());
        builder.Services.Configure<JsonConsoleFormatterOptions>(o =>
        {
            o.IncludeScopes = true;
            o.TimestampFormat = o.TimestampFormat?.Trim();
            o.JsonWriterOptions = new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        });
    }

    static void AddTraces(TracerProviderBuilder traces) => traces
        .AddSource(MessageSpans.SourceName, OrderService).AddNpgsql()
        .AddAspNetCoreInstrumentation(o =>
        {
            o.Filter = x => !x.Request.Path.StartsWithSegments("/health", StringComparison.Ordinal);
            o.EnrichWithHttpResponse = (span, _) => // after the instrumentation has named it by its path
                span.DisplayName = span.GetTagItem(RpcMetrics.MethodLabel) as string ?? span.DisplayName;
        })
        .AddProcessor(new OrderSpanTag.Processor())
        .AddOtlpExporter();

    static void AddMetrics(this WebApplicationBuilder builder, OpenTelemetryBuilder telemetry, string? url,
        bool exports)
    {
        if (url == null && !exports)
            return;
        telemetry.WithMetrics(metrics =>
        {
            metrics.AddMeter(Meters);
            // MassTransit counts down with counters, which must not decrease.
            metrics.AddView(x => x.Meter.Name == "MassTransit" && x.Name.EndsWith(".active", StringComparison.Ordinal)
                ? MetricStreamConfiguration.Drop : null);
            if (url != null)
                metrics.AddPrometheusExporter(x => x.ScrapeResponseCacheDurationMilliseconds = 0);
            if (exports)
                metrics.AddOtlpExporter();
        });
        if (url != null)
            builder.Services.AddHostedService(x => new MetricsServer(url, x.GetRequiredService<MeterProvider>(),
                x.GetRequiredService<ILogger<MetricsServer>>()));
    }

    static string? UrlOf(IConfigurationSection metrics) =>
        metrics.Get<MetricsOptions>()?.Url is { Length: > 0 } url
        && SettingExtensions.ParseAddress(url).Port != 0 ? url : null;
}
