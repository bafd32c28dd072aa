using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Operations.V1;
using Spectre.Console;

namespace Saga.Cli;

/// <summary>The commands about orders that wait.</summary>
static class OrderCommands
{
    const int ShownIds = 5;

    public static Command Explain(OpsConnection connection)
    {
        var order = new Argument<string>("order") { Description = "The id of the order." };
        var command = new Command("explain", "Tells the story of an order, what it waits for, and what would help.")
            { order };
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var story = await client.ExplainAsync(new ExplainRequest { OrderId = parsed.GetValue(order)! },
                cancellationToken: run.CancellationToken);
            run.Write(story, () =>
            {
                var table = OpsRun.NewTable("time", "where", "what");
                foreach (var e in story.Events)
                    table.AddRow(OpsRun.Text(e.Time), e.Source.EscapeMarkup(), e.Text.EscapeMarkup());
                run.Write(table, "Nothing has happened.");
                run.Console.WriteLine(story.Situation);
                run.Write(story.Missing);
                foreach (var advice in story.Advice)
                    run.Console.MarkupLineInterpolated($"[bold]What would help:[/] {advice}");
            });
            return story.Advice.Count + story.Missing.Count == 0 ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    public static Command Stuck(OpsConnection connection)
    {
        var olderThan = OlderThan();
        var command = new Command("stuck", "Lists orders and holds that are older than expected.") { olderThan };
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var stuck = await client.ListStuckAsync(new ListStuckRequest
            {
                OlderThan = ToDuration(parsed.GetValue(olderThan)),
                MaxIds = ShownIds,
            }, cancellationToken: run.CancellationToken);
            run.Write(stuck, () =>
            {
                var table = OpsRun.NewTable("count", "waits for", "queue", "since", "oldest", "what would help");
                foreach (var group in stuck.Orders.Concat(stuck.Holds))
                    table.AddRow($"{group.Count}", group.Message.EscapeMarkup(), group.Queue.EscapeMarkup(),
                        OpsRun.Text(group.OldestSince), string.Join('\n', group.OrderIds), group.Advice.EscapeMarkup());
                run.Write(table, "Nothing is stuck.");
                run.Write(stuck.Missing);
            });
            return stuck.Orders.Count + stuck.Holds.Count + stuck.Missing.Count == 0
                ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    public static Command Redrive(OpsConnection connection)
    {
        var orders = new Argument<string[]>("orders")
        {
            Description = "The ids of orders; none: all that --queue and --older-than choose.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var queue = new Option<string?>("--queue")
        {
            Description = "Orders that wait for the answer to this queue's command, such as release-funds.",
        };
        var olderThan = OlderThan();
        var rate = CliOptions.Positive("--rate", "Orders per second.", 100);
        var dryRun = new Option<bool>("--dry-run") { Description = "Only counts the orders." };
        var (reason, yes) = (OpsRun.ReasonOption(), OpsRun.YesOption());
        var command = new Command("redrive", "Sends the commands again whose answers orders wait for.")
            { orders, queue, olderThan, rate, dryRun, reason, yes };
        command.Validators.Add(result =>
        {
            if (result.GetValue(orders) is not { Length: > 0 } && result.GetValue(queue) == null
                && result.GetValue(olderThan) == null)
                result.AddError("name orders, --queue or --older-than");
        });
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var request = new RedriveRequest
            {
                OrderIds = { parsed.GetValue(orders) ?? [] },
                Queue = parsed.GetValue(queue) ?? "",
                OlderThan = ToDuration(parsed.GetValue(olderThan)),
                Rate = parsed.GetValue(rate),
                DryRun = true,
                Operator = run.Operator,
                Reason = parsed.GetValue(reason)!,
            };
            var chosen = await StreamAsync(client, request, run, isSilent: !parsed.GetValue(dryRun));
            if (parsed.GetValue(dryRun))
                return OpsConnection.Done;
            var which = request.OrderIds.Count > 0 ? OpsRun.Some(request.OrderIds)
                : $"queue {(request.Queue == "" ? "any" : request.Queue)}, waiting for at least "
                    + $"{request.OlderThan?.ToTimeSpan() ?? TimeSpan.Zero}";
            if (!run.Confirm($"Send the command of {chosen.Total} orders again ({which})", parsed.GetValue(yes)))
                return OpsConnection.Found;
            request.DryRun = false;
            var last = await StreamAsync(client, request, run, isSilent: false);
            return last.Sent == chosen.Total ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    static async Task<RedriveProgress> StreamAsync(OperationsService.OperationsServiceClient client,
        RedriveRequest request, OpsRun run, bool isSilent)
    {
        var last = new RedriveProgress();
        using var call = client.Redrive(request, cancellationToken: run.CancellationToken);
        await foreach (var progress in call.ResponseStream.ReadAllAsync(run.CancellationToken))
        {
            last = progress;
            if (!isSilent)
                run.Write(progress, () => run.Console.WriteLine(
                    $"{progress.Sent} of {progress.Total} sent, {progress.Skipped} wait for nothing any more"));
        }

        return last;
    }

    static Option<TimeSpan?> OlderThan() => new("--older-than")
    {
        Description = "Only what has waited for at least this long, such as 00:05:00.",
    };

    static Duration? ToDuration(TimeSpan? time) => time is { } given ? Duration.FromTimeSpan(given) : null;
}
