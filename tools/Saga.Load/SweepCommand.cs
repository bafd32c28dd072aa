using System.Globalization;
using ScottPlot;
using Spectre.Console;

namespace Saga.Load;

/// <summary>Offers one rate after the other until the system does not keep up, and draws latency against throughput.</summary>
sealed class SweepCommand(LoadOptions options, IReadOnlyList<double> rates, TimeSpan each, FileInfo picture)
{
    /// <summary>What is offered and not done, from which on a rate is too much.</summary>
    const double KeepsUp = 0.95;

    /// <returns>The exit code: 0 if no call failed, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var session = await LoadSession.StartAsync(options, cancellationToken);
        var points = new List<Figures>();
        foreach (var rate in rates)
        {
            points.Add(await session.MeasureAsync((int)Math.Ceiling(rate * each.TotalSeconds), rate, cancellationToken));
            if (points[^1].OrdersPerSecond < rate * KeepsUp)
                break;
        }

        var table = new Table().Title("latency against throughput").RoundedBorder()
            .AddColumns("offered a second", "done a second", "p50 ms", "p90 ms", "p99 ms", "max ms", "sent away", "commits an order", "CPU an order, ms");
        foreach (var x in points)
            table.AddRow([.. new[] { x.Rate, x.OrdersPerSecond, x.TerminalMs.P50, x.TerminalMs.P90, x.TerminalMs.P99, x.TerminalMs.Max, x.SentAway, x.CommitsPerOrder ?? double.NaN, x.CpuMsPerOrder.Values.Sum() }
                .Select(v => v.ToString("0.##", CultureInfo.InvariantCulture))]);
        AnsiConsole.Write(table);
        var report = await session.AuditAsync(cancellationToken);
        report?.Print();
        if (options.Json != null)
            await Figures.WriteAsync(options.Json, points, cancellationToken);
        if (points.FindAll(x => x.OrdersPerSecond > 0) is { Count: > 0 } drawn)
            Draw(drawn);
        return points.Sum(x => x.Errors) == 0 && report is null or { Violations.Count: 0 } ? 0 : 1;
    }

    void Draw(List<Figures> points)
    {
        using var plot = new Plot();
        var done = points.Select(x => x.OrdersPerSecond).ToArray();
        foreach (var (name, latency) in new (string, Func<Latency, double>)[] { ("p50", x => x.P50), ("p90", x => x.P90), ("p99", x => x.P99) })
        {
            // ScottPlot's axes are linear: the logarithm is drawn, and its ticks are named by what they stand for.
            var line = plot.Add.Scatter(done, points.Select(x => Math.Log10(latency(x.TerminalMs))).ToArray());
            line.LegendText = name;
        }

        plot.Axes.Left.TickGenerator = new ScottPlot.TickGenerators.NumericAutomatic
        {
            LabelFormatter = y => Math.Pow(10, y).ToString("0", CultureInfo.InvariantCulture),
            IntegerTicksOnly = true,
            MinorTickGenerator = new ScottPlot.TickGenerators.LogMinorTickGenerator(),
        };
        plot.Axes.SetLimitsY(0, Math.Ceiling(points.Max(x => Math.Log10(x.TerminalMs.P99))));
        plot.XLabel("orders a second, done");
        plot.YLabel("CreateOrder to terminal, ms");
        plot.Title("Latency against throughput");
        plot.ShowLegend(Alignment.UpperLeft);
        picture.Directory?.Create();
        if (picture.Extension.Equals(".png", StringComparison.OrdinalIgnoreCase))
            plot.SavePng(picture.FullName, 900, 560);
        else
            plot.SaveSvg(picture.FullName, 900, 560);
        Console.WriteLine($"picture: {picture.FullName}");
    }
}
