using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Saga.Load;

/// <summary>The chart of a sweep: latency against throughput.</summary>
static class SweepChart
{
    const int Width = 900, Height = 560;

    static readonly (string Name, Func<Latency, double> Of, LinePattern Line)[] Percentiles =
        [("p50", x => x.P50, LinePattern.Solid), ("p99", x => x.P99, LinePattern.Dashed)];

    /// <param name="points">The figures of each rate, of one program or several.</param>
    /// <param name="file">The file to write, as PNG or SVG by its extension.</param>
    public static void Draw(IReadOnlyList<Figures> points, FileInfo file)
    {
        using var plot = new Plot();
        // ScottPlot's axes are linear, so the logarithm is drawn and the tick labels show the value.
        foreach (var program in points.GroupBy(x => x.Program))
        {
            var color = plot.Add.GetNextColor();
            var rates = program.Select(x => x.OrdersPerSecond).ToArray();
            foreach (var (name, of, line) in Percentiles)
            {
                var scatter = plot.Add.Scatter(
                    rates, program.Select(x => Math.Log10(of(x.TerminalMs))).ToArray(), color);
                (scatter.LegendText, scatter.LinePattern) = ($"{program.Key}, {name}", line);
            }
        }

        plot.Axes.Left.TickGenerator = new NumericAutomatic
        {
            LabelFormatter = y => Math.Pow(10, y).ToString("0", CultureInfo.InvariantCulture),
            IntegerTicksOnly = true,
            MinorTickGenerator = new LogMinorTickGenerator(),
        };
        plot.Axes.SetLimitsY(0, Math.Ceiling(points.Max(x => Math.Log10(x.TerminalMs.P99))));
        plot.XLabel("terminal orders per second");
        plot.YLabel("CreateOrder to terminal, ms");
        plot.Title("Latency against throughput");
        plot.ShowLegend(Alignment.LowerRight);
        file.Directory?.Create();
        if (file.Extension.Equals(".png", StringComparison.OrdinalIgnoreCase))
            plot.SavePng(file.FullName, Width, Height);
        else
            plot.SaveSvg(file.FullName, Width, Height);
        Console.WriteLine($"picture: {file.FullName}");
    }
}
