using System.CommandLine;
using Saga.Simulation;

namespace Saga.Cli;

/// <summary>The commands of the deterministic simulation.</summary>
static class SimulationCommandLine
{
    public static Command Simulate()
    {
        var seed = new Option<int?>("--seed") { Description = "Replays only this seed and prints its trace." };
        var first = new Option<int>("--first") { Description = "The first seed.", DefaultValueFactory = _ => 1 };
        var seeds = CliOptions.Count("--seeds", "The number of seeds.", 10_000);
        var mutant = new Option<Mutant>("--mutant") { Description = "With --seed: the guarantee to switch off." };
        var partitions = CliOptions.Count("--partitions", "Over how many databases the accounts are distributed.", 1);
        var isOrdinary = new Option<bool>("--ordinary")
        {
            Description = "Without faults: then no message may be sent twice.",
        };
        var command = new Command("simulate", "Simulates the production rules with faults, once for each seed.")
            { seed, first, seeds, mutant, partitions, isOrdinary };
        command.SetAction(parsed => parsed.GetValue(seed) is { } one
            ? SimulateCommand.Replay(one, parsed.GetValue(mutant), parsed.GetValue(partitions),
                !parsed.GetValue(isOrdinary))
            : SimulateCommand.RunMany(parsed.GetValue(first), parsed.GetValue(seeds), parsed.GetValue(partitions),
                !parsed.GetValue(isOrdinary)));
        return command;
    }

    public static Command Mutants()
    {
        var command = new Command("mutants", "Switches each guarantee off in turn, and prints which check detects it.");
        command.SetAction(_ => MutantHunt.Print());
        return command;
    }
}
