using System.Diagnostics;
using System.Globalization;
using CsCheck;
using Spectre.Console;

namespace Saga.Simulation;

/// <summary>Switches off one guarantee at a time and reports which checks detect it, and how soon.</summary>
public static class MutantHunt
{
    /// <summary>Checks every mutant against the models and the simulation.</summary>
    /// <param name="maxRuns">The maximum number of model sequences, and of simulation seeds, for each mutant.</param>
    public static IReadOnlyList<MutantFinding> Run(int maxRuns = 2_000) =>
        [.. Enum.GetValues<Mutant>().Where(x => x != Mutant.None).Select(mutant => Find(mutant, maxRuns))];

    /// <returns>The exit code: 0 if every mutant was found.</returns>
    public static int Print()
    {
        var findings = Run();
        Console.WriteLine("| guarantee switched off | models | simulation | first violation in the simulation |");
        Console.WriteLine("| --- | --- | --- | --- |");
        foreach (var x in findings)
        {
            var models = x.ModelTime is { } modelTime ? Seconds(modelTime, "F1") : "–";
            var simulation = x.Seed is { } seed ? $"seed {seed}, {Seconds(x.SimulationTime, "F2")}" : "–";
            Console.WriteLine($"| {x.Mutant} | {models} | {simulation} | {x.Violation ?? "–"} |");
        }

        var missed = findings.Where(x => !x.IsFound).Select(x => x.Mutant).ToList();
        var suffix = missed.Count > 0 ? $", not found: {string.Join(", ", missed)}" : "";
        AnsiConsole.MarkupLineInterpolated($"{findings.Count - missed.Count} of {findings.Count} found{suffix}");
        return missed.Count == 0 ? 0 : 1;
    }

    static MutantFinding Find(Mutant mutant, int maxRuns)
    {
        var modelTime = Time(() =>
            Fails(() => Models.Funds(maxRuns, mutant)) || Fails(() => Models.Saga(maxRuns, mutant)));
        var watch = Stopwatch.StartNew();
        for (var seed = 1; seed <= maxRuns; seed++)
            if (World.Run(seed, mutant, mutant == Mutant.PartitionedByOrder ? 4 : 1,
                hasFaults: mutant != Mutant.AdoptsFromTheLiving) is { Violations: [var first, ..] })
                return new MutantFinding(mutant, modelTime, seed, watch.Elapsed, first);
        return new MutantFinding(mutant, modelTime, null, watch.Elapsed, null);
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

    static string Seconds(TimeSpan time, string format) =>
        $"{time.TotalSeconds.ToString(format, CultureInfo.InvariantCulture)} s";
}
