using Spectre.Console;

namespace Saga.Audit;

/// <summary>The result of an audit.</summary>
/// <param name="Counts">The counted rows and sums, by name.</param>
/// <param name="Violations">The violated invariants; empty if the audit is clean.</param>
/// <param name="IncludesQueues">Whether the broker's queues were audited, which I9 requires.</param>
public sealed record AuditReport(IReadOnlyDictionary<string, string> Counts, IReadOnlyList<string> Violations,
    bool IncludesQueues)
{
    const int MaxPrinted = 100;

    /// <summary>Prints the report to the console.</summary>
    public void Print()
    {
        var table = new Table().Title("audit").AddColumns("count", "").RoundedBorder();
        table.Columns[1].RightAligned();
        foreach (var (name, value) in Counts)
            table.AddRow(name.EscapeMarkup(), value.EscapeMarkup());
        AnsiConsole.Write(table);
        foreach (var violation in Violations.Take(MaxPrinted))
            AnsiConsole.MarkupLineInterpolated($"[red]violation[/] {violation}");
        if (Violations.Count > MaxPrinted)
            AnsiConsole.MarkupLineInterpolated($"[red]and {Violations.Count - MaxPrinted} more[/]");
        AnsiConsole.MarkupLine(Violations.Count == 0
            ? IncludesQueues ? "[green]I1 to I6 and I9 hold[/]"
                : "[green]I1 to I6 hold[/]; the broker's queues were not audited (I9)"
            : $"[red]{Violations.Count} violations[/]");
    }
}
