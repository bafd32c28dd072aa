using System.CommandLine;
using Saga.Load;

namespace Saga.Cli;

/// <summary>The commands that measure performance.</summary>
static class LoadCommandLine
{
    static readonly double[] DefaultRates = [50, 100, 200, 300, 400, 500, 600, 700, 800, 1000, 1200, 1500, 2000, 3000];

    public static Command Load()
    {
        var command = new Command("load", "Places orders, measures rate, latency and cost, and audits the result.");
        var target = new TargetOptions(defaultOrders: 1000);
        target.AddTo(command, target.Orders, target.Rate, target.Repeat, target.Json, target.Twin,
            target.Wolverine);
        command.SetAction(async (parsed, cancellationToken) =>
            await new LoadCommand(await target.ReadAsync(parsed, cancellationToken)).RunAsync(cancellationToken));
        return command;
    }

    public static Command Sweep()
    {
        var command = new Command("sweep",
            "Offers rising rates until the system cannot keep up, and draws latency against throughput.");
        var rates = new Option<double[]>("--rates")
        {
            Description = "The rates to offer, in orders per second, in rising order.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => DefaultRates,
        }.Requires(x => x.Length > 0 && x.All(y => y > 0 && double.IsFinite(y)), "must be more than 0");
        var seconds = CliOptions.Positive("--seconds", "The time for which each rate is offered.", 15);
        var picture = new Option<FileInfo>("--picture")
        {
            Description = "The file of the chart: .svg or .png.",
            DefaultValueFactory = _ => new FileInfo("artifacts/sweep.svg"),
        }.Requires(x => x.Extension.ToUpperInvariant() is ".SVG" or ".PNG", "must end in .svg or .png");
        var beside = new Option<FileInfo?>("--beside")
        {
            Description = "The figures (--json) of another sweep, which are drawn too.",
        };
        command.Add(rates);
        command.Add(seconds);
        command.Add(picture);
        command.Add(beside);
        var target = new TargetOptions(defaultOrders: 1000);
        target.AddTo(command, target.Json, target.Twin, target.Wolverine);
        command.SetAction(async (parsed, cancellationToken) =>
            await new SweepCommand(await target.ReadAsync(parsed, cancellationToken), parsed.GetValue(rates)!,
                TimeSpan.FromSeconds(parsed.GetValue(seconds)), parsed.GetValue(picture)!, parsed.GetValue(beside))
                .RunAsync(cancellationToken));
        return command;
    }

    public static Command Overload()
    {
        var command = new Command("overload",
            "Overloads the system, and compares its rate and latency before, during and after the overload.");
        var factor = CliOptions.Positive("--factor", "The offered rate, as a multiple of the measured maximum.", 2);
        var seconds = CliOptions.Positive("--seconds", "The duration of the overload.", 300);
        command.Add(factor);
        command.Add(seconds);
        var target = new TargetOptions(20_000, "The number of orders for each measurement of the maximum.");
        target.AddTo(command, target.Orders);
        command.SetAction(async (parsed, cancellationToken) =>
            await new OverloadCommand(await target.ReadAsync(parsed, cancellationToken), parsed.GetValue(factor),
                TimeSpan.FromSeconds(parsed.GetValue(seconds))).RunAsync(cancellationToken));
        return command;
    }

    public static Command Snapshot()
    {
        var command = new Command("snapshot",
            "Keeps a transaction open under load; compares latency and the times of statements with and without it.");
        var minutes = CliOptions.Count("--minutes", "The minutes under load while the transaction is open.", 10);
        var rate = CliOptions.Positive("--rate", "Orders per second.", 300);
        command.Add(minutes);
        command.Add(rate);
        var target = new TargetOptions(defaultOrders: 1000);
        target.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
            await new SnapshotCommand(await target.ReadAsync(parsed, cancellationToken), parsed.GetValue(rate),
                parsed.GetValue(minutes)).RunAsync(cancellationToken));
        return command;
    }

    public static Command Reconciliation()
    {
        var command = new Command("reconciliation", "Offers orders with and without Operations.Service in turn, then "
            + "plants mismatches, and waits until they are found; --grow makes the orders among which they are.");
        var seconds = CliOptions.Positive("--seconds", "The time of each turn.", 60);
        var rate = CliOptions.Positive("--rate", "Orders per second.", 500);
        command.Add(seconds);
        command.Add(rate);
        var target = new TargetOptions(defaultOrders: 1000);
        target.AddTo(command, target.Repeat);
        command.SetAction(async (parsed, cancellationToken) =>
            await new ReconciliationCommand(await target.ReadAsync(parsed, cancellationToken), parsed.GetValue(rate),
                TimeSpan.FromSeconds(parsed.GetValue(seconds))).RunAsync(cancellationToken));
        return command;
    }

    public static Command Recovery()
    {
        var command = new Command("recovery",
            "Kills each service and restarts the broker under load; measures the time to the first confirmed order.");
        var rate = CliOptions.Positive("--rate", "Orders per second.", 500);
        var repeat = CliOptions.Count("--repeat", "The number of outages of each component.", 3);
        var warmup = CliOptions.Count("--warmup", "The number of orders to place first.", 500, min: 0);
        var noBuild = CliOptions.NoBuild();
        foreach (var option in new Option[] { rate, repeat, warmup, noBuild })
            command.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await ServiceBuild.PublishAsync(parsed.GetValue(noBuild), cancellationToken);
            return await new RecoveryCommand(parsed.GetValue(rate), parsed.GetValue(repeat), parsed.GetValue(warmup))
                .RunAsync(cancellationToken);
        });
        return command;
    }

    public static Command Compare()
    {
        var (first, second) = (new Argument<FileInfo>("A.json"), new Argument<FileInfo>("B.json"));
        first.AcceptExistingOnly();
        second.AcceptExistingOnly();
        var command = new Command("compare", "Prints the figures of two files, and their ratios.") { first, second };
        command.SetAction((parsed, cancellationToken) =>
            CompareCommand.RunAsync(parsed.GetValue(first)!, parsed.GetValue(second)!, cancellationToken));
        return command;
    }
}
