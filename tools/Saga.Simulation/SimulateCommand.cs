using System.Diagnostics;
using Spectre.Console;

namespace Saga.Simulation;

/// <summary>Runs seeds of the simulation side by side, or one of them with its whole history.</summary>
public static class SimulateCommand
{
    /// <returns>Each seed that found a violation, the least seed first, with how many steps were taken in all.</returns>
    public static (IReadOnlyList<SimulationResult> Found, long Steps) Run(int first, int count, Mutant mutant = Mutant.None, int stopAfter = 20)
    {
        var found = new List<SimulationResult>();
        long steps = 0;
        Parallel.For(first, first + count, (seed, state) =>
        {
            var result = World.Run(seed, mutant);
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

    /// <returns>The exit code.</returns>
    public static int RunMany(int first, int count)
    {
        var watch = Stopwatch.StartNew();
        var (found, steps) = Run(first, count);
        AnsiConsole.MarkupLineInterpolated($"{count} seeds from {first}, {steps} steps, {watch.Elapsed.TotalSeconds:F1} s: {(found.Count == 0 ? "no violation" : $"{found.Count} with violations")}");
        foreach (var result in found)
            AnsiConsole.MarkupLineInterpolated($"[red]seed {result.Seed}: {result.Violations[0]}[/]");
        return found.Count == 0 ? 0 : 1;
    }

    /// <returns>The exit code.</returns>
    public static int Replay(int seed, Mutant mutant)
    {
        var result = World.Run(seed, mutant, Console.WriteLine);
        Console.WriteLine($"seed {seed}, {mutant}: {string.Join(", ", result.Outcomes.Select(x => $"{x.Value} {x.Key}"))}; {result.Violations.Count} violations");
        return result.Violations.Count == 0 ? 0 : 1;
    }
}
