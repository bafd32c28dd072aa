using System.CommandLine;
using Saga.Servers;

namespace Saga.Cli;

/// <summary>The commands that start the system for a person.</summary>
static class UpCommandLine
{
    public static Command Up()
    {
        var smoke = new Option<bool>("--smoke") { Description = "Stops after the three orders; exit code 1 if one ends wrongly." };
        var noBuild = CliOptions.NoBuild();
        var command = new Command("up", "Starts servers and services, places three orders, and stays up until Ctrl-C.") { smoke, noBuild };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await ServiceBuild.BuildAsync(parsed.GetValue(noBuild), cancellationToken);
            return await new UpCommand(parsed.GetValue(smoke)).RunAsync(cancellationToken);
        });
        return command;
    }

    public static Command Servers()
    {
        var command = new Command("servers", "Starts the servers that tests and loads would use, prints which, and stops them.");
        command.SetAction(async (_, cancellationToken) =>
        {
            await using var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
            Console.WriteLine($"servers: {servers.Description}");
            return servers is LocalServers ? 2 : 0; // build.cake asks whether any must be installed
        });
        return command;
    }
}
