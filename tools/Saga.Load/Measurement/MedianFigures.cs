namespace Saga.Load;

/// <summary>Combines the figures of several runs.</summary>
static class MedianFigures
{
    /// <summary>The median of each figure on its own, with its minimum and maximum.</summary>
    public static Figures Of(IReadOnlyList<Figures> runs)
    {
        var spread = new Dictionary<string, double[]>();
        double Median(string name, Func<Figures, double> figure)
        {
            var sorted = runs.Select(figure).Order().ToArray();
            spread[name] = [sorted[0], sorted[^1]];
            return Math.Round((sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2, 2);
        }

        double? MedianIfKnown(string name, Func<Figures, double?> figure) =>
            figure(runs[0]) == null ? null : Median(name, x => figure(x) ?? double.NaN);

        Latency MedianLatency(string name, Func<Figures, Latency> figure) => new(
            Median($"{name}.p50", x => figure(x).P50), Median($"{name}.p90", x => figure(x).P90),
            Median($"{name}.p99", x => figure(x).P99), Median($"{name}.max", x => figure(x).Max));
        Dictionary<string, double> MedianParts(string name,
            Func<Figures, IReadOnlyDictionary<string, double>> figure) =>
            figure(runs[0]).Keys.ToDictionary(key => key, key => Median($"{name}.{key}", x => figure(x)[key]));
        return runs[^1] with
        {
            Repeat = runs.Count,
            Errors = runs.Sum(x => x.Errors),
            RejectedCalls = runs.Sum(x => x.RejectedCalls),
            OrdersPerSecond = Median("orders_per_second", x => x.OrdersPerSecond),
            RpcMs = MedianLatency("rpc_ms", x => x.RpcMs),
            TerminalMs = MedianLatency("terminal_ms", x => x.TerminalMs),
            LateMs = runs[0].LateMs == null ? null : MedianLatency("late_ms", x => x.LateMs!),
            Outcomes = runs.SelectMany(x => x.Outcomes).GroupBy(x => x.Key)
                .ToDictionary(x => x.Key, x => x.Sum(y => y.Value)),
            CommitsPerOrder = MedianIfKnown("commits_per_order", x => x.CommitsPerOrder),
            LogBytesPerOrder = MedianIfKnown("log_bytes_per_order", x => x.LogBytesPerOrder),
            DiskBytesPerOrder = MedianIfKnown("disk_bytes_per_order", x => x.DiskBytesPerOrder),
            CpuMsPerOrder = MedianParts("cpu_ms_per_order", x => x.CpuMsPerOrder),
            MemoryMb = MedianParts("memory_mb", x => x.MemoryMb),
            Spread = spread,
        };
    }
}
