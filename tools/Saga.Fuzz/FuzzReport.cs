using System.Globalization;
using Spectre.Console;

namespace Saga.Fuzz;

/// <summary>The result of fuzzing.</summary>
/// <param name="Seed">The seed.</param>
/// <param name="Calls">The number of calls.</param>
/// <param name="Duration">How long they took.</param>
/// <param name="Statuses">The number of responses of each status.</param>
/// <param name="Memory">The memory of each service after the first calls, and at the end.</param>
/// <param name="Violations">What must not be; empty if all is well.</param>
sealed record FuzzReport(int Seed, int Calls, TimeSpan Duration, IReadOnlyDictionary<string, int> Statuses,
    IReadOnlyList<(ServiceMemory Before, ServiceMemory After)> Memory, IReadOnlyList<string> Violations)
{
    const int MaxPrinted = 100;
    const double Megabyte = 1_000_000;

    /// <summary>Prints the report.</summary>
    public void Print(IAnsiConsole console)
    {
        var statuses = new Table().Border(TableBorder.Simple).AddColumns("responses", "");
        statuses.Columns[1].RightAligned();
        foreach (var (status, count) in Statuses.OrderBy(x => x.Key, StringComparer.Ordinal))
            statuses.AddRow(status.EscapeMarkup(), count.ToString("N0", CultureInfo.InvariantCulture));
        console.Write(statuses);
        var memory = new Table().Border(TableBorder.Simple).AddColumns("memory, MB", "live, after the first calls",
            "at the end", "resident, after the first calls", "at the end");
        foreach (var (before, after) in Memory)
            memory.AddRow(before.Service.EscapeMarkup(), Text(before.Live), Text(after.Live), Text(before.Resident),
                Text(after.Resident));
        console.Write(memory);
        foreach (var violation in Violations.Take(MaxPrinted))
            console.MarkupLineInterpolated($"[red]violation[/] {violation}\n");
        if (Violations.Count > MaxPrinted)
            console.MarkupLineInterpolated($"[red]and {Violations.Count - MaxPrinted} more[/]");
        var rate = Calls / Duration.TotalSeconds;
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"seed {Seed}: {Calls:N0} calls in {Duration.TotalSeconds:F1} s, {rate:N0}/s"));
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Violations.Count} violations"));
    }

    static string Text(long bytes) => (bytes / Megabyte).ToString("F1", CultureInfo.InvariantCulture);
}
