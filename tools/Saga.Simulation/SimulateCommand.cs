using System.Diagnostics;
using Spectre.Console;

namespace Saga.Simulation;

/// <summary>Runs many seeds of the simulation in parallel, or replays one seed with its trace.</summary>
public static class SimulateCommand
{
    /// <summary>Runs consecutive seeds in parallel.</summary>
    /// <param name="first">The first seed.</param>
    /// <param name="count">The number of seeds.</param>
    /// <param name="mutant">The guarantee to switch off.</param>
    /// <param name="partitions">Over how many databases the accounts are distributed.</param>
    /// <param name="hasFaults">Whether anything fails.</param>
    /// <param name="stopAfter">The number of failed seeds after which no more seeds are started.</param>
    /// <returns>The results with violations, ordered by seed, and the total number of steps.</returns>
    public static (IReadOnlyList<SimulationResult> Found, long Steps) Run(int first, int count,
        Mutant mutant = Mutant.None, int partitions = 1, bool hasFaults = true, int stopAfter = 20)
    {
        var found = new List<SimulationResult>();
        long steps = 0;
        Parallel.For(first, first + count, (seed, state) =>
        {
            var result = World.Run(seed, mutant, partitions, hasFaults);
            Interlocked.Add(ref steps, result.Steps);
            if (result.Violations.Count == 0)
                return;
            lock (found)
            {
                found.Add(result);
                if (found.Count >= stopAfter)
                    state.Stop();
            }
        });
        return ([.. found.OrderBy(x => x.Seed)], steps);
    }

    /// <returns>The exit code: 0 if no seed violates an invariant.</returns>
    public static int RunMany(int first, int count, int partitions, bool hasFaults)
    {
        var watch = Stopwatch.StartNew();
        var (found, steps) = Run(first, count, partitions: partitions, hasFaults: hasFaults);
        var summary = found.Count == 0 ? "no violation" : $"{found.Count} with violations";
        AnsiConsole.MarkupLineInterpolated(
            $"{count} seeds from {first}, {steps} steps, {watch.Elapsed.TotalSeconds:F1} s: {summary}");
        foreach (var result in found)
            AnsiConsole.MarkupLineInterpolated($"[red]seed {result.Seed}: {result.Violations[0]}[/]");
        return found.Count == 0 ? 0 : 1;
    }

    /// <returns>The exit code: 0 if the seed violates no invariant.</returns>
    public static int Replay(int seed, Mutant mutant, int partitions, bool hasFaults)
    {
        var result = World.Run(seed, mutant, partitions, hasFaults, Console.WriteLine);
        var outcomes = string.Join(", ", result.Outcomes.Select(x => $"{x.Value} {x.Key}"));
        Console.WriteLine($"seed {seed}, {mutant}: {outcomes}; {result.Violations.Count} violations");
        return result.Violations.Count == 0 ? 0 : 1;
    }
}
