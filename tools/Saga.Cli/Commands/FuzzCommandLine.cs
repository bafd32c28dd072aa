using System.CommandLine;
using Saga.Fuzz;

namespace Saga.Cli;

/// <summary>The command that sends damaged calls to both APIs.</summary>
static class FuzzCommandLine
{
    const int FileColumns = 1000;

    public static Command Fuzz()
    {
        var calls = CliOptions.Count("--calls", "The number of calls.", 20_000);
        var seed = new Option<int>("--seed")
        {
            Description = "The seed of the calls.",
            DefaultValueFactory = _ => 1,
        };
        var only = new Option<int?>("--only")
        {
            Description = "Makes only the call with this number, and prints it with its response.",
        };
        var noBuild = CliOptions.NoBuild();
        var command = new Command("fuzz", "Starts the system, sends valid and damaged calls to both APIs over gRPC and "
            + "JSON, and checks responses, logs, memory and money.") { calls, seed, only, noBuild };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await ServiceBuild.PublishAsync(parsed.GetValue(noBuild), cancellationToken);
            var fuzz = new FuzzCommand(WideConsole.Create(FileColumns), parsed.GetValue(seed));
            return await (parsed.GetValue(only) is { } number ? fuzz.RunOneAsync(number, cancellationToken)
                : fuzz.RunAsync(parsed.GetValue(calls), cancellationToken));
        });
        return command;
    }
}
