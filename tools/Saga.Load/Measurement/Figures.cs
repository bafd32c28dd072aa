using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Saga.Load;

/// <summary>The figures of a measurement. The JSON file has the properties' names in snake case.</summary>
sealed record Figures
{
    static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };

    /// <summary>What was measured.</summary>
    public string Program { get; init; } = "Order and Account";

    public required int Orders { get; init; }
    public required int Clients { get; init; }
    public required int Accounts { get; init; }
    public required double Rate { get; init; }
    public required int Warmup { get; init; }

    /// <summary>The share of the orders on accounts without funds, 0 to 1.</summary>
    [JsonPropertyName("refused")]
    public required double RejectedShare { get; init; }

    /// <summary>The number of finished orders in the databases before the load.</summary>
    public required int Grow { get; init; }

    /// <summary>
    /// The number of measurements. If there are several, the figures are medians, except for the outcomes, errors and
    /// rejected calls, which are sums.
    /// </summary>
    public int Repeat { get; init; } = 1;

    /// <summary>The number of failed calls and of orders without a terminal status.</summary>
    public required int Errors { get; init; }

    /// <summary>The number of calls that an overloaded service rejected; each was retried.</summary>
    [JsonPropertyName("sent_away")]
    public required int RejectedCalls { get; init; }

    /// <summary>The minimum and maximum of each figure, if the figures are medians.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, double[]>? Spread { get; init; }

    /// <summary>The rate from the first call to the last terminal status.</summary>
    public required double OrdersPerSecond { get; init; }

    /// <summary>The latency of the accepted calls of CreateOrder.</summary>
    public required Latency RpcMs { get; init; }

    /// <summary>
    /// The latency from the first call of CreateOrder, even if rejected, to the commit of the terminal status.
    /// </summary>
    public required Latency TerminalMs { get; init; }

    /// <summary>The delay of the calls behind the schedule of the rate; null without a rate.</summary>
    public required Latency? LateMs { get; init; }

    /// <summary>The number of orders by status.</summary>
    public required IReadOnlyDictionary<string, int> Outcomes { get; init; }

    /// <summary>
    /// The transactions of both databases for each order, including those of the idle services while the statistics
    /// settle; null if the databases are unknown.
    /// </summary>
    public required double? CommitsPerOrder { get; init; }

    /// <summary>The write-ahead log for each order, in bytes, with all that the servers log; null as above.</summary>
    public required double? LogBytesPerOrder { get; init; }

    /// <summary>
    /// The growth of both databases for each order, in bytes, with what vacuum has not freed yet; null as above.
    /// </summary>
    public required double? DiskBytesPerOrder { get; init; }

    /// <summary>The processor time for each order, by part of the system.</summary>
    public required IReadOnlyDictionary<string, double> CpuMsPerOrder { get; init; }

    /// <summary>The resident memory of each service at the end.</summary>
    public required IReadOnlyDictionary<string, double> MemoryMb { get; init; }

    /// <summary>Computes the figures of a run.</summary>
    /// <param name="options">The options of the load, with the run's number of orders and rate.</param>
    /// <param name="run">The run.</param>
    /// <param name="times">The terminal statuses.</param>
    /// <param name="before">The resources used before the run.</param>
    /// <param name="after">The resources used after the run.</param>
    /// <param name="memory">The resident memory of each service.</param>
    public static Figures From(LoadOptions options, LoadRun run, TerminalTimes times, ResourceUsage before,
        ResourceUsage after, IReadOnlyDictionary<string, double> memory)
    {
        var accepted = run.Placed.OfType<PlacedOrder>().ToList();
        var ended = accepted.Select(x => (Placed: x, End: times.Of(x.OrderId))).Where(x => x.End != null)
            .Select(x => (x.Placed, x.End!.Value.Status, x.End.Value.At)).ToList();
        var last = ended.Count == 0 ? run.StartedAt : ended.Max(x => x.At);
        var seconds = Math.Max(0.001, Stopwatch.GetElapsedTime(run.StartedAt, last).TotalSeconds);
        double PerOrder(double total) => Math.Round(total / Math.Max(1, accepted.Count), 2);
        double? PerOrderOf(Func<DatabaseUsage, long> figure) =>
            (before.Databases, after.Databases) is ({ } start, { } end) ? PerOrder(figure(end) - figure(start)) : null;
        return new Figures
        {
            Program = options.Peer?.Title ?? "Order and Account",
            Orders = options.Orders,
            Clients = options.Clients,
            Accounts = options.Accounts,
            Rate = options.Rate,
            Warmup = options.Warmup,
            RejectedShare = options.RejectedShare,
            Grow = options.Grow,
            Errors = run.FailedCalls + accepted.Count - ended.Count,
            RejectedCalls = run.RejectedCalls,
            OrdersPerSecond = Math.Round(ended.Count / seconds, 1),
            RpcMs = Latency.From(accepted.Select(x => x.AcceptedAt - x.CalledAt)),
            TerminalMs = Latency.From(ended.Select(x => x.At - x.Placed.FirstCalledAt)),
            LateMs = run.Late.Count > 0
                ? Latency.From(run.Late.Select(x => (long)(x.TotalSeconds * Stopwatch.Frequency))) : null,
            Outcomes = ended.GroupBy(x => x.Status).ToDictionary(x => x.Key, x => x.Count()),
            CommitsPerOrder = PerOrderOf(x => x.Commits),
            LogBytesPerOrder = PerOrderOf(x => x.LogBytes),
            DiskBytesPerOrder = PerOrderOf(x => x.DiskBytes),
            CpuMsPerOrder = after.CpuMilliseconds.ToDictionary(x => x.Key,
                x => PerOrder(x.Value - before.CpuMilliseconds[x.Key])),
            MemoryMb = memory,
        };
    }

    public Task WriteAsync(FileInfo file, CancellationToken cancellationToken) =>
        WriteAsync(file, this, cancellationToken);

    /// <summary>Reads the figures of a sweep.</summary>
    /// <exception cref="JsonException">The file contains no figures of a sweep.</exception>
    public static async Task<IReadOnlyList<Figures>> ReadSweepAsync(FileInfo file, CancellationToken cancellationToken)
    {
        await using var json = file.OpenRead();
        return await JsonSerializer.DeserializeAsync<Figures[]>(json, Json, cancellationToken) ?? [];
    }

    /// <summary>Writes figures as JSON, and creates the file's folder if it does not exist.</summary>
    public static Task WriteAsync<T>(FileInfo file, T figures, CancellationToken cancellationToken)
    {
        file.Directory?.Create();
        return File.WriteAllTextAsync(file.FullName, JsonSerializer.Serialize(figures, Json), cancellationToken);
    }
}
