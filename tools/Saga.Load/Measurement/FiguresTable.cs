using System.Globalization;
using Spectre.Console;

namespace Saga.Load;

/// <summary>Prints figures as a table.</summary>
static class FiguresTable
{
    public static void Print(Figures figures)
    {
        var medians = figures.Repeat > 1 ? $"; medians of {figures.Repeat} runs" : "";
        var table = new Table().AddColumns("figure", "value").RoundedBorder()
            .Title($"{figures.Orders} orders, {figures.Clients} clients, {figures.Accounts} accounts{medians}");
        table.AddRow("terminal orders per second", Text(figures.OrdersPerSecond));
        table.AddRow("errors", Text(figures.Errors));
        if (figures.RejectedCalls > 0)
            table.AddRow("rejected calls, retried", Text(figures.RejectedCalls));
        table.AddRow("CreateOrder, ms", Percentiles(figures.RpcMs));
        table.AddRow("CreateOrder to terminal, ms", Percentiles(figures.TerminalMs));
        if (figures.LateMs != null)
            table.AddRow("delay of calls behind the rate, ms", Percentiles(figures.LateMs));
        table.AddRow("outcomes", Parts(figures.Outcomes));
        table.AddRow("commits per order", Known(figures.CommitsPerOrder));
        table.AddRow("write-ahead log per order, bytes", Known(figures.LogBytesPerOrder));
        table.AddRow("disk per order, bytes", Known(figures.DiskBytesPerOrder));
        table.AddRow("CPU per order, ms", Parts(figures.CpuMsPerOrder));
        table.AddRow("memory, MB", Parts(figures.MemoryMb));
        foreach (var (figure, spread) in figures.Spread ?? new Dictionary<string, double[]>())
            table.AddRow($"{figure}, min to max", $"{Text(spread[0])} to {Text(spread[1])}");
        AnsiConsole.Write(table);
    }

    static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

    static string Known(double? value) => value is { } known ? Text(known) : "unknown";

    static string Percentiles(Latency x) =>
        $"p50 {Text(x.P50)}  p90 {Text(x.P90)}  p99 {Text(x.P99)}  max {Text(x.Max)}";

    static string Parts<T>(IReadOnlyDictionary<string, T> parts) where T : IFormattable =>
        string.Join("  ", parts.Select(x => $"{x.Key} {Text(x.Value)}"));
}
