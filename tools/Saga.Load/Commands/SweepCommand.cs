using System.Globalization;
using Spectre.Console;

namespace Saga.Load;

/// <summary>Offers rising rates until the system cannot keep up, and draws latency against throughput.</summary>
/// <param name="options">The options of the load.</param>
/// <param name="rates">The rates to offer, in orders per second.</param>
/// <param name="duration">The duration of each rate.</param>
/// <param name="picture">The file of the chart.</param>
/// <param name="beside">The figures of another sweep, which are drawn too; null if there is none.</param>
sealed class SweepCommand(
    LoadOptions options, IReadOnlyList<double> rates, TimeSpan duration, FileInfo picture, FileInfo? beside)
{
    /// <summary>The share of the offered rate that the system must reach to keep up.</summary>
    const double MinReachedShare = 0.95;

    /// <returns>The exit code: 0 if no call failed, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<Figures> other = beside == null ? [] : await Figures.ReadSweepAsync(beside, cancellationToken);
        await using var session = await LoadSession.StartAsync(options, cancellationToken);
        var points = new List<Figures>();
        foreach (var rate in rates)
        {
            points.Add(await session.MeasureAsync((int)Math.Ceiling(rate * duration.TotalSeconds), rate,
                cancellationToken));
            if (points[^1].OrdersPerSecond < rate * MinReachedShare)
                break;
        }

        Print(points);
        var isCorrect = await session.CheckAsync(cancellationToken);
        if (options.Json != null)
            await Figures.WriteAsync(options.Json, points, cancellationToken);
        if (points.Concat(other).Where(x => x.OrdersPerSecond > 0).ToList() is { Count: > 0 } drawn)
            SweepChart.Draw(drawn, picture);
        return points.Sum(x => x.Errors) == 0 && isCorrect ? 0 : 1;
    }

    static void Print(List<Figures> points)
    {
        var table = new Table().Title("latency against throughput").RoundedBorder()
            .AddColumns("offered per second", "terminal per second", "p50 ms", "p90 ms", "p99 ms", "max ms",
                "rejected calls")
            .AddColumns("commits per order", "CPU per order, ms");
        foreach (var x in points)
        {
            double[] row = [x.Rate, x.OrdersPerSecond, x.TerminalMs.P50, x.TerminalMs.P90, x.TerminalMs.P99,
                x.TerminalMs.Max,
                x.RejectedCalls, x.CommitsPerOrder ?? double.NaN, x.CpuMsPerOrder.Values.Sum()];
            table.AddRow([.. row.Select(value => value.ToString("0.##", CultureInfo.InvariantCulture))]);
        }

        AnsiConsole.Write(table);
    }
}
