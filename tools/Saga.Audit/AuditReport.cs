using Spectre.Console;

namespace Saga.Audit;

/// <summary>What an audit counted, and every violation it found.</summary>
/// <param name="Counts">What there is, by name.</param>
/// <param name="Violations">What must not be; empty for a clean audit.</param>
/// <param name="SawQueues">The broker's queues were looked at, as I9 asks for.</param>
public sealed record AuditReport(IReadOnlyDictionary<string, string> Counts, IReadOnlyList<string> Violations, bool SawQueues)
{
    const int Shown = 100;

    /// <summary>Writes it to the console.</summary>
    public void Print()
    {
        var table = new Table().Title("audit").AddColumns("counted", "").RoundedBorder();
        table.Columns[1].RightAligned();
        foreach (var (name, value) in Counts)
            table.AddRow(name.EscapeMarkup(), value.EscapeMarkup());
        AnsiConsole.Write(table);
        foreach (var violation in Violations.Take(Shown))
            AnsiConsole.MarkupLineInterpolated($"[red]violation[/] {violation}");
        if (Violations.Count > Shown)
            AnsiConsole.MarkupLineInterpolated($"[red]and {Violations.Count - Shown} more[/]");
        AnsiConsole.MarkupLine(Violations.Count == 0
            ? SawQueues ? "[green]I1 to I6 and I9 hold[/]" : "[green]I1 to I6 hold[/]; the broker's queues were not looked at (I9)"
            : $"[red]{Violations.Count} violations[/]");
    }
}
