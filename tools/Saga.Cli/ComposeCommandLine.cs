using System.CommandLine;
using Saga.Load.Compose;

namespace Saga.Cli;

/// <summary>The commands that use what docker compose has started in the current folder.</summary>
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
            "Checks what docker compose has started: three orders, many more while replicas are killed, audit.") { orders };
        command.SetAction((parsed, cancellationToken) =>
            new ComposeSmoke(parsed.GetValue(orders)).RunAsync(cancellationToken));
        return command;
    }
}
