using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using HdrHistogram;
using Spectre.Console;

namespace Saga.Load;

/// <summary>Latencies in milliseconds.</summary>
sealed record Latency(double P50, double P90, double P99, double Max)
{
    public static Latency From(IEnumerable<long> ticks)
    {
        var histogram = new LongHistogram(TimeStamp.Hours(1), 3);
        foreach (var t in ticks)
            histogram.RecordValue(Math.Max(1, t));
        double At(double percentile) => Math.Round(histogram.GetValueAtPercentile(percentile) * 1000.0 / Stopwatch.Frequency, 2);
        return new Latency(At(50), At(90), At(99), At(100));
    }
}

/// <summary>What a run measured; the JSON file has these keys.</summary>
sealed record Figures
{
    /// <summary>How the keys are written.</summary>
    public static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public required int Orders { get; init; }
    public required int Clients { get; init; }
    public required int Accounts { get; init; }
    public required double Rate { get; init; }
    public required int Warmup { get; init; }

    /// <summary>Which part of the orders is placed on accounts without money.</summary>
    public required double Refused { get; init; }

    /// <summary>Orders that had ended before, which the databases were filled with.</summary>
    public required int Grow { get; init; }

    /// <summary>How often it was measured: the figures are medians then, but outcomes, errors and calls that were sent away are sums.</summary>
    public int Repeat { get; init; } = 1;

    /// <summary>Calls that failed, and orders that did not end.</summary>
    public required int Errors { get; init; }

    /// <summary>Calls that were told to come again later, and did.</summary>
    public required int SentAway { get; init; }

    /// <summary>Least and most of each figure, if this is the median of several runs.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, double[]>? Spread { get; init; }

    /// <summary>From the first call to the last terminal status.</summary>
    public required double OrdersPerSecond { get; init; }

    /// <summary>From the call of CreateOrder to its answer.</summary>
    public required Latency RpcMs { get; init; }

    /// <summary>From the first call of CreateOrder, also if it was sent away, to the commit of the terminal status.</summary>
    public required Latency TerminalMs { get; init; }

    /// <summary>By how much calls came later than the rate wants them; null without a rate.</summary>
    public required Latency? LateMs { get; init; }

    /// <summary>Orders by status.</summary>
    public required IReadOnlyDictionary<string, int> Outcomes { get; init; }

    /// <summary>Transactions of both databases for each order, with those of the idle services in the eleven seconds after; null where they are not known.</summary>
    public required double? CommitsPerOrder { get; init; }

    /// <summary>Processor time for each order, by part.</summary>
    public required IReadOnlyDictionary<string, double> CpuMsPerOrder { get; init; }

    /// <summary>Resident memory of each service at the end.</summary>
    public required IReadOnlyDictionary<string, double> MemoryMb { get; init; }

    public static Figures From(LoadOptions options, Placed?[] placed, TerminalTimes times, long start, IReadOnlyCollection<TimeSpan> late, Meters before, Meters after,
        IReadOnlyDictionary<string, double> memory, int failedCalls, int sentAway)
    {
        var accepted = placed.OfType<Placed>().ToList();
        var ended = accepted.Select(x => (Placed: x, End: times.Of(x.OrderId))).Where(x => x.End != null)
            .Select(x => (x.Placed, x.End!.Value.Status, x.End.Value.At)).ToList();
        var last = ended.Count == 0 ? start : ended.Max(x => x.At);
        var perOrder = Math.Max(1, accepted.Count);
        return new Figures
        {
            Orders = options.Orders,
            Clients = options.Clients,
            Accounts = options.Accounts,
            Rate = options.Rate,
            Warmup = options.Warmup,
            Refused = options.Refused,
            Grow = options.Grow,
            Errors = failedCalls + accepted.Count - ended.Count,
            SentAway = sentAway,
            OrdersPerSecond = Math.Round(ended.Count / Math.Max(0.001, Stopwatch.GetElapsedTime(start, last).TotalSeconds), 1),
            RpcMs = Latency.From(accepted.Select(x => x.Answered - x.Called)),
            TerminalMs = Latency.From(ended.Select(x => x.At - x.Placed.First)),
            LateMs = late.Count > 0 ? Latency.From(late.Select(x => (long)(x.TotalSeconds * Stopwatch.Frequency))) : null,
            Outcomes = ended.GroupBy(x => x.Status).ToDictionary(x => x.Key, x => x.Count()),
            CommitsPerOrder = after.Commits - before.Commits is { } commits ? Math.Round((double)commits / perOrder, 2) : null,
            CpuMsPerOrder = after.CpuMilliseconds.ToDictionary(x => x.Key, x => Math.Round((x.Value - before.CpuMilliseconds[x.Key]) / perOrder, 2)),
            MemoryMb = memory,
        };
    }

    /// <summary>The median of each figure on its own, with the least and the most.</summary>
    public static Figures Median(IReadOnlyList<Figures> runs)
    {
        var spread = new Dictionary<string, double[]>();
        double Of(string name, Func<Figures, double> figure)
        {
            var sorted = runs.Select(figure).Order().ToArray();
            spread[name] = [sorted[0], sorted[^1]];
            return Math.Round((sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2, 2);
        }

        Latency LatencyOf(string name, Func<Figures, Latency> figure) => new(
            Of($"{name}.p50", x => figure(x).P50), Of($"{name}.p90", x => figure(x).P90), Of($"{name}.p99", x => figure(x).P99), Of($"{name}.max", x => figure(x).Max));
        Dictionary<string, double> PartsOf(string name, Func<Figures, IReadOnlyDictionary<string, double>> figure) =>
            figure(runs[0]).Keys.ToDictionary(key => key, key => Of($"{name}.{key}", x => figure(x)[key]));
        return runs[^1] with
        {
            Repeat = runs.Count,
            Errors = runs.Sum(x => x.Errors),
            SentAway = runs.Sum(x => x.SentAway),
            OrdersPerSecond = Of("orders_per_second", x => x.OrdersPerSecond),
            RpcMs = LatencyOf("rpc_ms", x => x.RpcMs),
            TerminalMs = LatencyOf("terminal_ms", x => x.TerminalMs),
            LateMs = runs[0].LateMs == null ? null : LatencyOf("late_ms", x => x.LateMs!),
            Outcomes = runs.SelectMany(x => x.Outcomes).GroupBy(x => x.Key).ToDictionary(x => x.Key, x => x.Sum(y => y.Value)),
            CommitsPerOrder = runs[0].CommitsPerOrder == null ? null : Of("commits_per_order", x => x.CommitsPerOrder ?? double.NaN),
            CpuMsPerOrder = PartsOf("cpu_ms_per_order", x => x.CpuMsPerOrder),
            MemoryMb = PartsOf("memory_mb", x => x.MemoryMb),
            Spread = spread,
        };
    }

    public Task WriteAsync(FileInfo file, CancellationToken cancellationToken) =>
        WriteAsync(file, this, cancellationToken);

    /// <summary>Writes figures, and the file's folder if it is not there.</summary>
    public static Task WriteAsync<T>(FileInfo file, T figures, CancellationToken cancellationToken)
    {
        file.Directory?.Create();
        return File.WriteAllTextAsync(file.FullName, JsonSerializer.Serialize(figures, Json), cancellationToken);
    }

    public void Print()
    {
        static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
        static string Percentiles(Latency x) => $"p50 {Text(x.P50)}  p90 {Text(x.P90)}  p99 {Text(x.P99)}  max {Text(x.Max)}";
        static string Parts<T>(IReadOnlyDictionary<string, T> parts) where T : IFormattable =>
            string.Join("  ", parts.Select(x => $"{x.Key} {Text(x.Value)}"));

        var table = new Table().Title($"{Orders} orders, {Clients} clients, {Accounts} accounts{(Repeat > 1 ? $"; medians of {Repeat} times" : "")}").AddColumns("figure", "value").RoundedBorder();
        table.AddRow("orders a second, to the terminal status", Text(OrdersPerSecond));
        table.AddRow("errors", Text(Errors));
        if (SentAway > 0)
            table.AddRow("calls told to come again", Text(SentAway));
        table.AddRow("CreateOrder, ms", Percentiles(RpcMs));
        table.AddRow("CreateOrder to terminal, ms", Percentiles(TerminalMs));
        if (LateMs != null)
            table.AddRow("calls later than the rate's, ms", Percentiles(LateMs));
        table.AddRow("outcomes", Parts(Outcomes));
        table.AddRow("commits an order", CommitsPerOrder is { } commits ? Text(commits) : "not known");
        table.AddRow("CPU an order, ms", Parts(CpuMsPerOrder));
        table.AddRow("memory, MB", Parts(MemoryMb));
        foreach (var (figure, spread) in Spread ?? new Dictionary<string, double[]>())
            table.AddRow($"{figure}, least and most", $"{Text(spread[0])} to {Text(spread[1])}");
        AnsiConsole.Write(table);
    }
}
