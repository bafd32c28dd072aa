using System.CommandLine;
using Saga.Attack;

namespace Saga.Cli;

/// <summary>The command that injects faults into a real system.</summary>
static class AttackCommandLine
{
    public static Command Attack()
    {
        var minutes = CliOptions.Positive("--minutes", "The duration, including the recovery.", 2);
        var seed = new Option<int>("--seed")
        {
            Description = "The seed of the fault plan.",
            DefaultValueFactory = _ => 1,
        };
        var rate = CliOptions.Positive("--rate", "Orders per second.", 30);
        var folder = new Option<DirectoryInfo>("--folder")
        {
            Description = "The folder of the history and the timeline, and of the logs if an invariant is violated.",
            DefaultValueFactory = _ => new DirectoryInfo("artifacts/attack"),
        };
        var cluster = new Option<bool>("--cluster")
        {
            Description = "Starts a cluster of each server (RabbitMQ; PostgreSQL by Patroni), and injects the loss of "
                + "single servers and changes of their roles instead of the other faults.",
        };
        var noBuild = CliOptions.NoBuild();
        var command = new Command("attack",
            "Starts the system, injects faults into all parts of it, and checks the result.")
            { minutes, seed, rate, cluster, folder, noBuild };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await ServiceBuild.PublishAsync(parsed.GetValue(noBuild), cancellationToken);
            return await new AttackCommand(parsed.GetValue(minutes), parsed.GetValue(seed), parsed.GetValue(rate),
                parsed.GetValue(cluster), parsed.GetValue(folder)!).RunAsync(cancellationToken);
        });
        return command;
    }
}
