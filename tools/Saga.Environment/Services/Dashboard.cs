using System.Reflection;
using System.Security.Cryptography;
using Saga.Servers;

namespace Saga.Services;

/// <summary>
/// The dashboard of .NET Aspire, which shows the traces, metrics and logs that services export. It is a program from a
/// NuGet package that only some platforms have, and keeps everything in memory.
/// </summary>
public sealed class Dashboard : IAsyncDisposable
{
    const int Port = 18888; // the dashboard's own default

    readonly string _apiKey;
    readonly ChildProcess _process;

    Dashboard(ChildProcess process, Uri address, Uri collector, string apiKey) =>
        (_process, Address, Collector, _apiKey) = (process, address, collector, apiKey);

    /// <summary>The address to open in a browser: it contains a token of this run, and leads to the traces.</summary>
    public Uri Address { get; }

    /// <summary>The address to which services export, by OTLP over gRPC.</summary>
    public Uri Collector { get; }

    /// <summary>The environment of services that export all their traces, metrics and logs to this dashboard.</summary>
    public IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = Collector.GetLeftPart(UriPartial.Authority),
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc",
        ["OTEL_EXPORTER_OTLP_HEADERS"] = $"x-otlp-api-key={_apiKey}",
        ["OTEL_TRACES_SAMPLER"] = "parentbased_always_on",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "500", // ms; somebody waits for them
        ["OTEL_BLRP_SCHEDULE_DELAY"] = "500",
        ["OTEL_METRIC_EXPORT_INTERVAL"] = "5000",
    };

    /// <summary>The folder of the program; null if this platform has none, or its package was not restored.</summary>
    static string? FindFolder() => typeof(Dashboard).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .SingleOrDefault(x => x.Key == "DashboardFolder")?.Value is { } folder && Directory.Exists(folder)
        ? folder : null;

    /// <summary>Starts the dashboard on 127.0.0.1; it serves when <see cref="WaitUntilReadyAsync" /> returns.</summary>
    /// <param name="instance">The folder of its log.</param>
    /// <param name="wellKnownPort">Whether to prefer its default port; otherwise any free port is used.</param>
    /// <returns>Null if the platform has no dashboard.</returns>
    public static Dashboard? Start(InstanceFolder instance, bool wellKnownPort)
    {
        if (FindFolder() is not { } folder)
            return null;
        var address = $"http://127.0.0.1:{Ports.Pick(wellKnownPort ? Port : 0)}";
        var collector = $"http://127.0.0.1:{Ports.Pick()}";
        var (token, apiKey) = (NewSecret(), NewSecret());
        // Low priority: it starts together with the servers and the services, which the user waits for.
        var process = ChildProcess.Start(instance, "dashboard",
            ["nice", "-n", "10", Path.Combine(folder, "Aspire.Dashboard"), "--contentRoot", folder],
            new Dictionary<string, string>
            {
                ["ASPNETCORE_URLS"] = address,
                ["ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL"] = collector,
                ["Dashboard__ApplicationName"] = "Order saga",
                ["Dashboard__Frontend__AuthMode"] = "BrowserToken",
                ["Dashboard__Frontend__BrowserToken"] = token,
                ["Dashboard__Otlp__AuthMode"] = "ApiKey",
                ["Dashboard__Otlp__PrimaryApiKey"] = apiKey,
                ["Dashboard__Api__Disabled"] = "true",
                ["HOME"] = instance.CreateSubfolder("dashboard-home"), // for the keys of its cookies
            });
        return new Dashboard(process, new Uri($"{address}/login?t={token}&returnUrl=/traces"), new Uri(collector),
            apiKey);
    }

    static string NewSecret() => RandomNumberGenerator.GetHexString(32, lowercase: true);

    /// <summary>Waits until the dashboard answers.</summary>
    /// <exception cref="InvalidOperationException">It has exited.</exception>
    /// <exception cref="TimeoutException">It did not answer in time.</exception>
    public Task WaitUntilReadyAsync(CancellationToken cancellationToken) => Wait.UntilAsync(
        async () => _process.HasExited
            ? throw new InvalidOperationException($"the dashboard has exited:\n{_process.Tail()}")
            : await Ports.IsOpenAsync("127.0.0.1", Address.Port, cancellationToken)
                && await Ports.IsOpenAsync("127.0.0.1", Collector.Port, cancellationToken),
        TimeSpan.FromSeconds(60), () => $"the dashboard:\n{_process.Tail()}", cancellationToken);

    /// <summary>Stops the dashboard.</summary>
    public ValueTask DisposeAsync() => _process.DisposeAsync();
}
