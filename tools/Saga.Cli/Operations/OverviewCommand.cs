using System.CommandLine;
using Operations.V1;
using Spectre.Console;

namespace Saga.Cli;

/// <summary>The command that shows how everything is.</summary>
static class OverviewCommand
{
    public static Command Overview(OpsConnection connection)
    {
        var command = new Command("overview", "Shows how everything is, what needs help, and what does not answer.");
        connection.SetAction(command, async (client, run, _) =>
        {
            var overview = await client.GetOverviewAsync(new GetOverviewRequest(),
                cancellationToken: run.CancellationToken);
            run.Write(overview, () => Show(run, overview));
            return overview.Problems.Count + overview.Missing.Count == 0 ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    static void Show(OpsRun run, Overview overview)
    {
        var table = OpsRun.NewTable("what", "now", "oldest");
        if (overview.Orders is { } orders)
        {
            table.AddRow("orders per second", OpsRun.Text(orders.CreatedPerSecond), "");
            AddGroups(table, "orders that wait for", orders.Waiting);
            AddOutbox(table, "Order", orders.Outbox);
        }

        if (overview.Holds is { } holds)
        {
            AddGroups(table, "holds that wait for", holds.Waiting);
            AddOutbox(table, "Account", holds.Outbox);
        }

        if (overview.Broker is { } broker)
        {
            table.AddRow("failed and skipped messages", $"{broker.Queues.Sum(x => x.Failed + x.Skipped)}", "");
            foreach (var replica in broker.Replicas)
                table.AddRow($"replica of {replica.Service}", $"{replica.Host}, process {replica.ProcessId}, "
                    + $"version {replica.Version}".EscapeMarkup(), OpsRun.Text(replica.ConnectTime));
        }

        if (overview.HasMismatches)
            table.AddRow("mismatches", $"{overview.Mismatches}", "");
        run.Write(table, "Nothing answers.");
        run.Write(overview.Missing);
        foreach (var problem in overview.Problems)
            run.Console.MarkupLineInterpolated($"[yellow]{problem.Text}[/] See: ops {problem.Command}");
        if (overview.Problems.Count + overview.Missing.Count == 0)
            run.Console.WriteLine("Nothing needs help.");
    }

    static void AddGroups(Table table, string what, IEnumerable<StuckGroup> groups)
    {
        foreach (var group in groups)
            table.AddRow($"{what} {group.Message}".EscapeMarkup(), $"{group.Count}", OpsRun.Text(group.OldestSince));
    }

    static void AddOutbox(Table table, string service, Outbox outbox) => table.AddRow($"outbox of {service}",
        $"{outbox.Unsent} unsent, {outbox.Parked} parked", $"{OpsRun.Text(outbox.OldestAge.Seconds)} s");
}
