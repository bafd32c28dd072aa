using System.Diagnostics;
using Saga.Servers;
using Saga.Services;
using Spectre.Console;

namespace Saga.Cli;

/// <summary>Starts everything on this machine, shows the system with three orders, and prints where everything is.</summary>
/// <param name="smoke">Whether to stop after the three orders.</param>
sealed class UpCommand(bool smoke)
{
    static readonly TimeSpan ReservationTimeout = TimeSpan.FromSeconds(5); // a person waits for it

    readonly Stopwatch _watch = Stopwatch.StartNew();

    /// <returns>The exit code: 0 if each order ended as it should.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        // Lines that go to a file are not broken at 80 columns.
        var console = AnsiConsole.Create(new AnsiConsoleSettings());
        if (Console.IsOutputRedirected)
            console.Profile.Width = 500;
        try
        {
            return await RunAsync(console, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            console.MarkupLine("stopped");
            return 130;
        }
        catch (Exception e) when (e is InvalidOperationException or TimeoutException)
        {
            console.MarkupLineInterpolated($"[red]{e.Message}[/]");
            return 1;
        }
    }

    async Task<int> RunAsync(IAnsiConsole console, CancellationToken cancellationToken)
    {
        console.MarkupLine("[bold]Order saga[/]: starting the servers and the services");
        await using var servers = await ServerChoice.StartAsync(wellKnownPorts: true, cancellationToken, waitForBroker: false);
        await using var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions
        {
            WellKnownPorts = true,
            Programs = ServicePrograms.Built,
            Settings = new Dictionary<string, string> { ["Saga__ReservationTimeout"] = ReservationTimeout.ToString("c") },
        }, cancellationToken);
        console.MarkupLineInterpolated($"servers: {servers.Description}");
        console.MarkupLineInterpolated($"services: ready ({_watch.Elapsed.TotalSeconds:F1} s)");
        console.WriteLine();

        var passed = await system.ThreeOrders(console, cancellationToken).RunAsync();
        console.WriteLine();
        if (smoke)
        {
            console.MarkupLine(passed ? "[green]the three orders ended as they should[/]" : "[red]an order did not end as it should[/]");
            return passed ? 0 : 1;
        }

        console.Write(Addresses(servers, system));
        console.WriteLine();
        console.MarkupLine("Everything stays up until Ctrl-C.");
        await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        console.MarkupLine("stopping");
        return 0;
    }

    static Table Addresses(IServers servers, OrderSystem system)
    {
        var (order, account, rabbit) = (system.Orders[0], system.Accounts[0], servers.Rabbit);
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumns("", "");
        table.AddRow("Order, gRPC", order.GrpcAddress.Authority);
        table.AddRow("Order, JSON", $"{order.HttpAddress}v1/orders");
        table.AddRow("Account, gRPC", account.GrpcAddress.Authority);
        table.AddRow("Account, JSON", $"{account.HttpAddress}v1/accounts");
        table.AddRow("RabbitMQ management", $"{rabbit.Management}  user {rabbit.User}, password {rabbit.Password}");
        table.AddRow("Order's database", servers.Postgres.Admin(system.OrderDatabase).EscapeMarkup());
        table.AddRow("Account's database", servers.Postgres.Admin(system.AccountDatabase).EscapeMarkup());
        table.AddRow("Logs", servers.Folder.Path);
        return table;
    }
}
