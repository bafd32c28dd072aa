using System.CommandLine;
using Saga.Servers;

namespace Saga.Cli;

/// <summary>The commands that start the system or its servers.</summary>
static class UpCommandLine
{
    public static Command Up()
    {
        var smoke = new Option<bool>("--smoke")
        {
            Description = "Stops after the three orders; exit code 1 if one ends unexpectedly.",
        };
        var noDashboard = new Option<bool>("--no-dashboard")
        {
            Description = "Starts no dashboard of the traces, metrics and logs; --smoke never does.",
        };
        var timeout = new Option<TimeSpan>("--timeout")
        {
            Description = "The time that Account has to reserve funds, after which the third order is cancelled.",
            DefaultValueFactory = _ => TimeSpan.FromSeconds(5), // short, because the user waits for it
        };
        var noBuild = CliOptions.NoBuild();
        var command = new Command("up",
            "Starts servers and services, places three orders, and stays up until Ctrl-C.")
            { smoke, noDashboard, timeout, noBuild };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await ServiceBuild.BuildAsync(parsed.GetValue(noBuild), cancellationToken);
            var isSmoke = parsed.GetValue(smoke);
            var withDashboard = !isSmoke && !parsed.GetValue(noDashboard);
            return await new UpCommand(isSmoke, withDashboard, parsed.GetValue(timeout)).RunAsync(cancellationToken);
        });
        return command;
    }

    public static Command Certificates()
    {
        var folder = new Argument<string>("folder") { Description = "The folder; it is created." };
        var command = new Command("certificates", $"Creates an authority and a certificate for this machine. With the "
            + $"folder in {LocalTls.Variable}, and its ca.pem in SSL_CERT_FILE, the other commands encrypt everything.")
            { folder };
        command.SetAction(parsed => LocalTls.Create(parsed.GetValue(folder)!));
        return command;
    }

    public static Command Servers()
    {
        var command = new Command("servers",
            "Starts the servers that tests and loads would use, prints their kind, and stops them.");
        command.SetAction(async (_, cancellationToken) =>
        {
            await using var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
            Console.WriteLine($"servers: {servers.Description}");
            return servers is LocalServers ? 2 : 0; // tells build.cake that the servers must be installed
        });
        return command;
    }
}
