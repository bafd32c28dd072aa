using System.Diagnostics;
using Saga.Servers;
using Saga.Services;
using Spectre.Console;

namespace Saga.Cli;

/// <summary>Starts servers and services on this machine, demonstrates three orders, and prints all addresses.</summary>
/// <param name="smoke">Whether to stop after the three orders.</param>
/// <param name="withDashboard">Whether to start a dashboard of the traces, metrics and logs.</param>
/// <param name="timeout">The reservation timeout.</param>
sealed class UpCommand(bool smoke, bool withDashboard, TimeSpan timeout)
{
    const int FileColumns = 500;

    readonly Stopwatch _watch = Stopwatch.StartNew();

    /// <returns>The exit code: 0 if each order reached its expected status.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var console = WideConsole.Create(FileColumns);
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
        await using var servers = await ServerChoice.StartAsync(wellKnownPorts: true, cancellationToken,
            waitForBroker: false);
        await using var dashboard = withDashboard ? Dashboard.Start(servers.Folder, wellKnownPort: true) : null;
        if (withDashboard && dashboard == null)
            console.MarkupLine("dashboard: there is none for this platform");
        await using var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions
        {
            WellKnownPorts = true,
            WithOperations = true,
            WithIssuer = true,
            Programs = ServicePrograms.Built,
            Settings = new Dictionary<string, string>(dashboard?.Settings ?? new Dictionary<string, string>())
            {
                ["Saga__ReservationTimeout"] = timeout.ToString("c"),
                ["Saga__ResendDelay"] = (2 * timeout).ToString("c"), // longer, so that the timeout is shown
            },
        }, cancellationToken);
        console.MarkupLineInterpolated($"servers: {servers.Description}");
        console.MarkupLineInterpolated($"services: ready ({_watch.Elapsed.TotalSeconds:F1} s)");
        console.WriteLine();

        if (dashboard != null)
            await dashboard.WaitUntilReadyAsync(cancellationToken);
        var passed = await system.ThreeOrders(console, cancellationToken).RunAsync();
        console.WriteLine();
        if (smoke)
        {
            console.MarkupLine(passed ? "[green]the three orders reached their expected statuses[/]"
                : "[red]an order did not reach its expected status[/]");
            return passed ? 0 : 1;
        }

        console.Write(Addresses(servers, system, dashboard));
        console.WriteLine();
        await PrintTokenAsync(console, system);
        console.MarkupLine("The system runs until Ctrl-C.");
        await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        console.MarkupLine("stopping");
        return 0;
    }

    /// <summary>
    /// Prints how to get a token, and calls with one; nothing is broken into lines, so that it can be copied.
    /// </summary>
    static async Task PrintTokenAsync(IAnsiConsole console, OrderSystem system)
    {
        if (system.Tokens is not { } tokens)
            return;
        console.MarkupLineInterpolated($"Callers need tokens. Users: alice, bob, operator; password {tokens.Password}");
        if (LocalTls.Instance is { } tls)
            console.Profile.Out.Writer.WriteLine($"Everything is encrypted: export SSL_CERT_FILE={tls.CaFile}");
        console.Profile.Out.Writer.WriteLine($$"""

            TOKEN={{await tokens.GetAsync("alice")}}
            curl -H "Authorization: Bearer $TOKEN" {{system.Accounts[0].HttpAddress}}v1/accounts
            curl -H "Authorization: Bearer $TOKEN" {{system.Orders[0].HttpAddress}}v1/orders
            curl -d grant_type=password -d username=bob -d password={{tokens.Password}} {{tokens.Address}}

            export ORDERSAGA_TOKEN={{await tokens.GetAsync("operator")}} # for the operators' commands

            """);
    }

    static Table Addresses(IServers servers, OrderSystem system, Dashboard? dashboard)
    {
        var (order, account, rabbit) = (system.Orders[0], system.Accounts[0], servers.Rabbit);
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumns("", "");
        if (system.Tokens is { } tokens)
            table.AddRow("Tokens", $"{tokens.Address}");
        table.AddRow("Order, gRPC", order.GrpcAddress.Authority);
        table.AddRow("Order, JSON", $"{order.HttpAddress}v1/orders");
        table.AddRow("Account, gRPC", account.GrpcAddress.Authority);
        table.AddRow("Account, JSON", $"{account.HttpAddress}v1/accounts");
        if (system.Operations is { } operations)
        {
            table.AddRow("Operations, page", $"{operations.HttpAddress}  user operator");
            table.AddRow("Operations, gRPC", $"{operations.GrpcAddress.Authority}  commands: Saga.Cli ops --help");
            table.AddRow("Operations, JSON", $"{operations.HttpAddress}v1/stuck");
        }

        if (dashboard != null)
            table.AddRow("Dashboard", $"{dashboard.Address}");
        table.AddRow("RabbitMQ management", $"{rabbit.Management}  user {rabbit.User}, password {rabbit.Password}");
        table.AddRow("RabbitMQ, Order", system.AmqpOf(system.OrderUser).EscapeMarkup());
        table.AddRow("RabbitMQ, Account", system.AmqpOf(system.AccountUser).EscapeMarkup());
        table.AddRow("Order's database", system.OrderLogins.Runtime.EscapeMarkup());
        table.AddRow("Account's database", system.AccountLogins.Runtime.EscapeMarkup());
        table.AddRow("PostgreSQL, superuser", servers.Postgres.Admin().EscapeMarkup());
        table.AddRow("Logs", servers.Folder.Path);
        return table;
    }
}
