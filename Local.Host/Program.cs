using System.Diagnostics;
using System.Runtime.InteropServices;
using Local.Host.Servers;
using Local.Host.Services;
using Spectre.Console;

var smoke = args.Contains("--smoke");
var watch = Stopwatch.StartNew();
using var stop = new CancellationTokenSource();
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}

using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

// Lines are not to be broken at 80 columns where the output goes to a file.
var console = AnsiConsole.Create(new AnsiConsoleSettings());
if (Console.IsOutputRedirected)
    console.Profile.Width = 500;
try
{
    console.MarkupLine("[bold]Order saga[/]: starting the servers");
    await using var servers = await ServerChoice.StartAsync(wellKnownPorts: true, stop.Token);
    console.MarkupLineInterpolated($"servers: {servers.Description} ({watch.Elapsed.TotalSeconds:F1} s)");
    if (args.Contains("--servers"))
        return servers is LocalServers ? 2 : 0; // says which would be used, for build.cake
    await using var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions
    {
        WellKnownPorts = true,
        Settings = new Dictionary<string, string> { ["Saga__ReservationTimeout"] = "00:00:05" },
    }, stop.Token);
    console.MarkupLineInterpolated($"services: ready ({watch.Elapsed.TotalSeconds:F1} s)");
    console.WriteLine();

    var well = await system.ThreeOrders(console, stop.Token).RunAsync();
    console.WriteLine();
    if (smoke)
    {
        console.MarkupLine(well ? "[green]the three orders ended as they should[/]" : "[red]an order did not end as it should[/]");
        return well ? 0 : 1;
    }

    var table = new Table().Border(TableBorder.None).HideHeaders().AddColumns("", "");
    table.AddRow("Order, gRPC", $"{system.Orders[0].GrpcAddress.Authority}");
    table.AddRow("Order, JSON", $"{system.Orders[0].HttpAddress}v1/orders");
    table.AddRow("Account, gRPC", $"{system.Accounts[0].GrpcAddress.Authority}");
    table.AddRow("Account, JSON", $"{system.Accounts[0].HttpAddress}v1/accounts");
    table.AddRow("RabbitMQ management", $"{servers.Rabbit.Management}  user {servers.Rabbit.User}, password {servers.Rabbit.Password}");
    table.AddRow("Order's database", servers.Postgres.Admin(system.OrderDatabase).EscapeMarkup());
    table.AddRow("Account's database", servers.Postgres.Admin(system.AccountDatabase).EscapeMarkup());
    table.AddRow("Logs", servers.Folder.Path);
    console.Write(table);
    console.WriteLine();
    console.MarkupLine("Everything stays up until Ctrl-C.");
    await Task.Delay(Timeout.Infinite, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    console.MarkupLine("stopping");
    return 0;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    console.MarkupLine("stopped");
    return 130;
}
catch (Exception e) when (e is InvalidOperationException or TimeoutException)
{
    console.MarkupLineInterpolated($"[red]{e.Message}[/]");
    return 1;
}
