using System.CommandLine;
using Saga.Drill;

namespace Saga.Cli;

/// <summary>The command that tries what operators do about faults.</summary>
static class DrillCommandLine
{
    const int FileColumns = 300;

    public static Command Drill()
    {
        var fault = new Option<string>("--fault")
        {
            Description = "Only the faults whose name contains this.",
            DefaultValueFactory = _ => "",
        };
        var noBuild = CliOptions.NoBuild();
        var command = new Command("drill", "Starts the system, injects one fault after the other, and checks that each "
            + "is seen within 30 s, explained, mended by one command, and leaves nothing behind.") { fault, noBuild };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await ServiceBuild.PublishAsync(parsed.GetValue(noBuild), cancellationToken);
            return await new DrillCommand(WideConsole.Create(FileColumns), parsed.GetValue(fault)!)
                .RunAsync(cancellationToken);
        });
        return command;
    }
}
