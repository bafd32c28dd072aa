using System.Diagnostics;
using HdrHistogram;

namespace Saga.Load;

/// <summary>Percentiles of a latency, in milliseconds.</summary>
sealed record Latency(double P50, double P90, double P99, double Max)
{
    /// <summary>The percentiles of durations; all zero if there are none.</summary>
    /// <param name="ticks">Durations in ticks of <see cref="Stopwatch" />.</param>
    public static Latency From(IEnumerable<long> ticks)
    {
        var histogram = new LongHistogram(TimeStamp.Hours(1), 3);
        foreach (var t in ticks)
            histogram.RecordValue(Math.Max(1, t));
        if (histogram.TotalCount == 0)
            return new Latency(0, 0, 0, 0);
        double At(double percentile) =>
            Math.Round(histogram.GetValueAtPercentile(percentile) * 1000.0 / Stopwatch.Frequency, 2);
        return new Latency(At(50), At(90), At(99), At(100));
    }
}
