using System.CommandLine;
using Saga.Load;

namespace Saga.Cli;

/// <summary>The commands for the system that docker compose runs in the current folder.</summary>
static class ComposeCommandLine
{
    public static Command Compose()
    {
        var command = new Command("compose", "Prints the addresses that docker compose has published.");
        command.SetAction(async (_, cancellationToken) =>
        {
            foreach (var (what, address) in (await ComposeStack.FindAsync(cancellationToken)).Addresses())
                Console.WriteLine($"{what,-28} {address}");
        });
        return command;
    }

    public static Command Smoke()
    {
        var orders = CliOptions.Count("--orders", "The number of orders to place while replicas are killed.", 1000);
        var command = new Command("smoke",
            "Checks the system that docker compose runs: three orders, many more while replicas are killed, audit.")
            { orders };
        command.SetAction((parsed, cancellationToken) =>
            new ComposeSmoke(parsed.GetValue(orders)).RunAsync(cancellationToken));
        return command;
    }
}
