using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd.Observability;

/// <summary>
/// The installed Prometheus with the configuration of <c>deploy/prometheus</c>, watching one system. Its time is
/// shortened: every interval, duration and age of the configuration passes <see cref="Speed" /> times as fast.
/// </summary>
sealed partial class LocalPrometheus : IAsyncDisposable
{
    /// <summary>How many times as fast the time of the configuration passes.</summary>
    public const int Speed = 5;

    const string Program = "/usr/bin/prometheus";

    readonly HttpClient _http;
    readonly ChildProcess _process;

    LocalPrometheus(ChildProcess process, Uri address) =>
        (_process, _http) = (process, new HttpClient { BaseAddress = address });

    static string Folder => Path.Combine(Repository.Root, "deploy", "prometheus");

    /// <summary>Whether Prometheus is installed.</summary>
    public static bool IsInstalled => File.Exists(Program);

    /// <summary>Starts Prometheus; the test is ignored if it is not installed.</summary>
    public static async Task<LocalPrometheus> StartAsync(OrderSystem system)
    {
        if (!IsInstalled)
            Assert.Ignore("the test needs Prometheus: apt-get install prometheus");
        var port = Ports.Pick();
        var home = system.Servers.Folder.CreateSubfolder($"prometheus-{port}");
        foreach (var file in (string[])["prometheus.yml", "alerts.yml"])
            await File.WriteAllTextAsync(Path.Combine(home, file),
                Shortened(Targeted(await File.ReadAllTextAsync(Path.Combine(Folder, file)), system)));

        var process = ChildProcess.Start(system.Servers.Folder, $"prometheus-{port}",
        [
            Program, $"--config.file={Path.Combine(home, "prometheus.yml")}", $"--web.listen-address=127.0.0.1:{port}",
            $"--storage.tsdb.path={Path.Combine(home, "data")}", "--query.lookback-delta=10s", "--log.level=warn",
        ]);
        var prometheus = new LocalPrometheus(process, new Uri($"http://127.0.0.1:{port}"));
        var replicas = system.Orders.Count + system.Accounts.Count;
        // It begins to read the metrics some seconds after its start, and raises alerts until then.
        await Wait.UntilAsync(async () => await prometheus.IsReadyAsync()
                && await prometheus.CountPointsAsync("up == 1") >= replicas
                && (await prometheus.FiringAsync()).Count == 0,
            TimeSpan.FromSeconds(90), () => $"Prometheus:\n{process.Tail()}");
        return prometheus;
    }

    /// <summary>The configuration with this system's replicas instead of the names of the images.</summary>
    static string Targeted(string configuration, OrderSystem system) => NamesOfImages().Replace(configuration, x =>
    {
        var replicas = x.Groups[1].Value switch
        {
            "order-service" => system.Orders,
            "account-service" => system.Accounts,
            _ => [],
        };
        return $"static_configs: [{{ targets: [{string.Join(", ", replicas.Select(x =>
            $"\"{x.MetricsAddress.Authority}\""))}] }}]";
    });

    static string Shortened(string configuration) => Ages().Replace(
        Durations().Replace(configuration, x =>
        {
            var seconds = int.Parse(x.Groups[1].Value, CultureInfo.InvariantCulture)
                * x.Groups[2].Value switch { "s" => 1, "m" => 60, _ => 3600 };
            return $"{seconds * 1000 / Speed}ms";
        }), $"> {60 / Speed}");

    async Task<bool> IsReadyAsync()
    {
        if (_process.HasExited)
            throw new InvalidOperationException($"Prometheus has exited:\n{_process.Tail()}");
        try
        {
            using var response = await _http.GetAsync("/-/ready");
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false; // not started yet
        }
    }

    /// <summary>
    /// The alerts that fire, each with what it is about: <c>MessagesFailed reserve-funds_error</c>.
    /// </summary>
    public async Task<IReadOnlyList<string>> FiringAsync() =>
        [.. (await GetAsync("/api/v1/alerts")).GetProperty("alerts").EnumerateArray()
            .Where(x => x.GetProperty("state").GetString() == "firing").Select(x => x.GetProperty("labels"))
            .Select(x => $"{x.GetProperty("alertname").GetString()} {Subject(x)}").Order()];

    static string? Subject(JsonElement labels) => ((string[])["messaging_destination_name", "order_state", "instance",
        "job"]).Select(x => labels.TryGetProperty(x, out var value) ? value.GetString() : null)
        .FirstOrDefault(x => x != null);

    /// <summary>The number of points that a query has returned since Prometheus was started.</summary>
    /// <exception cref="HttpRequestException">The query is not valid.</exception>
    public async Task<int> CountPointsAsync(string query)
    {
        var end = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var result = await GetAsync($"/api/v1/query_range?query={Uri.EscapeDataString(query)}"
            + $"&start={end - 600}&end={end}&step=1");
        return result.GetProperty("result").EnumerateArray()
            .Sum(x => x.GetProperty("values").EnumerateArray().Count(y => y[1].GetString() != "NaN"));
    }

    async Task<JsonElement> GetAsync(string path)
    {
        using var response = await _http.GetAsync(path);
        var answer = await response.Content.ReadFromJsonAsync<JsonElement>();
        return response.IsSuccessStatusCode ? answer.GetProperty("data")
            : throw new HttpRequestException($"{path}: {answer}");
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _process.DisposeAsync();
    }

    [GeneratedRegex(@"dns_sd_configs: \[\{ names: \[([a-z-]+)\].*\]")]
    private static partial Regex NamesOfImages();

    [GeneratedRegex(@"(?<=(?:for|interval): |\[|\[\d+h:)(\d+)([smh])(?=$|\]|:)", RegexOptions.Multiline)]
    private static partial Regex Durations();

    [GeneratedRegex(@"> 60$", RegexOptions.Multiline)]
    private static partial Regex Ages();
}
