using System.Diagnostics;
using System.Globalization;
using CsCheck;
using Spectre.Console;

namespace Saga.Simulation;

/// <summary>Switches one guarantee off after the other, and says what finds it and how soon.</summary>
public static class MutantHunt
{
    /// <summary>What found a mutant; null where it was not found.</summary>
    /// <param name="Mutant">The guarantee that was off.</param>
    /// <param name="Models">How long the models took.</param>
    /// <param name="Seed">The first seed of the simulation.</param>
    /// <param name="Simulation">How long it took to come to it.</param>
    /// <param name="Violation">What it saw.</param>
    public sealed record Finding(Mutant Mutant, TimeSpan? Models, int? Seed, TimeSpan Simulation, string? Violation)
    {
        /// <summary>True if anything found it.</summary>
        public bool IsFound => Models != null || Seed != null;
    }

    /// <summary>Hunts every mutant, through at most so many sequences and seeds.</summary>
    public static IReadOnlyList<Finding> Run(int most = 2_000) =>
        [.. Enum.GetValues<Mutant>().Where(x => x != Mutant.None).Select(mutant =>
        {
            var models = Time(() => Fails(() => Models.Funds(most, mutant)) || Fails(() => Models.Saga(most, mutant)));
            var watch = Stopwatch.StartNew();
            for (var seed = 1; seed <= most; seed++)
                if (World.Run(seed, mutant) is { Violations: [var first, ..] })
                    return new Finding(mutant, models, seed, watch.Elapsed, first);
            return new Finding(mutant, models, null, watch.Elapsed, null);
        })];

    /// <returns>The exit code: 0 if every mutant was found.</returns>
    public static int Print()
    {
        var findings = Run();
        Console.WriteLine("| guarantee that is off | models | simulation | what the simulation saw |");
        Console.WriteLine("| --- | --- | --- | --- |");
        foreach (var x in findings)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {x.Mutant} | {(x.Models is { } took ? $"{took.TotalSeconds:F1} s" : "–")} | {(x.Seed is { } seed ? $"seed {seed}, {x.Simulation.TotalSeconds:F2} s" : "–")} | {x.Violation ?? "–"} |"));
        var escaped = findings.Where(x => !x.IsFound).Select(x => x.Mutant).ToList();
        AnsiConsole.MarkupLineInterpolated($"{findings.Count - escaped.Count} of {findings.Count} found{(escaped.Count > 0 ? $", escaped: {string.Join(", ", escaped)}" : "")}");
        return escaped.Count == 0 ? 0 : 1;
    }

    static TimeSpan? Time(Func<bool> found)
    {
        var watch = Stopwatch.StartNew();
        return found() ? watch.Elapsed : null;
    }

    static bool Fails(Action check)
    {
        try
        {
            check();
            return false;
        }
        catch (CsCheckException)
        {
            return true;
        }
    }
}
