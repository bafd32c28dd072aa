using ScottPlot;
using ScottPlot.MultiplotLayouts;
using ScottPlot.TickGenerators;

namespace Saga.Attack;

/// <summary>A picture of an attack: what the metrics said, above the faults that were injected at that time.</summary>
static class TimelineChart
{
    const int Width = 1500, MetricHeight = 210, FaultHeight = 19, AxisHeight = 75;
    const int LabelWidth = 290; // the same for all parts, so that their times are one below the other

    /// <param name="samples">What the metrics said.</param>
    /// <param name="faults">The faults.</param>
    /// <param name="title">The title.</param>
    /// <param name="file">The PNG file to write.</param>
    public static void Draw(IReadOnlyList<TimelineSample> samples, IReadOnlyCollection<InjectedFault> faults,
        string title, FileInfo file)
    {
        var end = Math.Max(samples.Max(x => x.At), faults.Select(x => RecoveredAt(x)).DefaultIfEmpty().Max());
        Plot[] plots =
        [
            Metrics("orders per second", samples, ("accepted", x => x.Accepted), ("ended", x => x.Ended)),
            Metrics("orders", samples, ("open", x => x.Open), ("confirmed, not captured", x => x.Uncaptured)),
            Metrics("unsent messages", samples, ("Order", x => x.OrderOutbox), ("Account", x => x.AccountOutbox)),
            Faults(faults),
        ];
        plots[0].Title(title);
        foreach (var plot in plots)
        {
            plot.Axes.SetLimitsX(0, end);
            plot.Axes.Left.MinimumSize = plot.Axes.Left.MaximumSize = LabelWidth;
        }

        var picture = new Multiplot();
        picture.Reset(plots[0]); // it begins with an empty plot
        foreach (var plot in plots.Skip(1))
            picture.AddPlot(plot);
        var faultsHeight = AxisHeight + FaultHeight * faults.Select(x => x.Kind).Distinct().Count();
        var layout = new DraggableRows { ExpandingPlotIndex = plots.Length - 1 };
        layout.SetHeights([MetricHeight, MetricHeight, MetricHeight, faultsHeight]);
        picture.Layout = layout;
        picture.SavePng(file.FullName, Width, 3 * MetricHeight + faultsHeight);
        Array.ForEach(plots, x => x.Dispose());
    }

    static Plot Metrics(string unit, IReadOnlyList<TimelineSample> samples,
        params (string Name, Func<TimelineSample, double> Of)[] series)
    {
        var plot = new Plot();
        foreach (var (name, of) in series)
        {
            var line = plot.Add.ScatterLine(samples.Select(x => x.At).ToArray(), samples.Select(of).ToArray());
            (line.LegendText, line.LineWidth) = (name, 1.5f);
        }

        plot.Axes.AutoScaleY();
        plot.Axes.SetLimitsY(0, Math.Max(1, plot.Axes.Left.Max));
        plot.YLabel(unit);
        plot.ShowLegend(Alignment.UpperRight, Orientation.Horizontal);
        return plot;
    }

    static Plot Faults(IReadOnlyCollection<InjectedFault> faults)
    {
        var plot = new Plot();
        var kinds = faults.Select(x => x.Kind).Distinct().OrderDescending().ToList();
        foreach (var fault in faults)
        {
            var row = kinds.IndexOf(fault.Kind);
            Add(row, fault.At, fault.RepairedAt, Colors.Red.WithAlpha(.75));
            Add(row, fault.RepairedAt, RecoveredAt(fault), Colors.Orange.WithAlpha(.75));
        }

        plot.Axes.Left.TickGenerator = new NumericManual([.. kinds.Select((_, i) => (double)i)], [.. kinds]);
        plot.Axes.SetLimitsY(-.7, kinds.Count - .3);
        plot.XLabel("seconds; faults are red until they are repaired, orange until the system serves again");
        return plot;

        void Add(int row, double from, double to, Color colour)
        {
            var bar = plot.Add.Rectangle(from, Math.Max(to, from + .2), row - .35, row + .35);
            (bar.FillColor, bar.LineWidth) = (colour, 0);
        }
    }

    static double RecoveredAt(InjectedFault fault) => fault.RepairedAt + (fault.Recovery?.TotalSeconds ?? 30);
}
