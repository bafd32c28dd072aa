using System.Globalization;
using Saga.Audit;
using Spectre.Console;

namespace Saga.Attack;

/// <summary>The results of an attack on the console.</summary>
/// <param name="Seed">The seed.</param>
/// <param name="Audit">The audit of both databases.</param>
/// <param name="History">All requests and faults.</param>
/// <param name="Counts">More numbers, with their names.</param>
/// <param name="Faults">The faults that were injected.</param>
/// <param name="Violations">The violated invariants.</param>
sealed record AttackReport(int Seed, AuditReport Audit, IReadOnlyList<HistoryEvent> History,
    IEnumerable<(string Name, long Count)> Counts, IReadOnlyCollection<InjectedFault> Faults,
    IReadOnlyList<string> Violations)
{
    const int MaxPrinted = 50;

    public void Print()
    {
        AnsiConsole.Write(CountsTable());
        AnsiConsole.Write(FaultsTable());
        foreach (var violation in Violations.Take(MaxPrinted))
            Console.WriteLine($"violation: {violation}");
        AnsiConsole.MarkupLineInterpolated($"seed {Seed}: {Violations.Count} violations");
    }

    Table CountsTable()
    {
        var table = new Table().Title("attack").AddColumns("count", "").RoundedBorder();
        foreach (var (name, value) in Audit.Counts)
            table.AddRow(name.EscapeMarkup(), value.EscapeMarkup());
        var requests = History.Where(x => x.Kind != HistoryEvent.Fault).GroupBy(x => (x.Kind, x.Outcome))
            .OrderBy(x => x.Key);
        foreach (var group in requests)
            table.AddRow($"{group.Key.Kind} {group.Key.Outcome}", $"{group.Count():N0}");
        foreach (var (name, count) in Counts)
            table.AddRow(name.EscapeMarkup(), $"{count:N0}");
        return table;
    }

    Table FaultsTable()
    {
        var kinds = Faults.GroupBy(x => x.Kind).OrderBy(x => x.Key).ToList();
        var table = new Table().Title($"{Faults.Count} faults of {kinds.Count} kinds")
            .AddColumns("fault", "count", "median fault, s", "median recovery, s", "max recovery, s").RoundedBorder();
        foreach (var kind in kinds)
        {
            var durations = kind.Select(x => x.RepairedAt - x.At).Order().ToList();
            var recoveries = kind.Select(x => x.Recovery?.TotalSeconds ?? double.PositiveInfinity).Order().ToList();
            string Text(double value) => value.ToString("F1", CultureInfo.InvariantCulture);
            table.AddRow(kind.Key.EscapeMarkup(), $"{recoveries.Count}", Text(durations[durations.Count / 2]),
                Text(recoveries[recoveries.Count / 2]), Text(recoveries[^1]));
        }

        return table;
    }
}
