using System.CommandLine;
using Grpc.Core;
using Operations.V1;
using Spectre.Console;

namespace Saga.Cli;

/// <summary>The commands about messages that have failed, were skipped, or are parked.</summary>
static class DeadLetterCommands
{
    const int ShownMessages = 5;

    public static Command DeadLetters(OpsConnection connection)
    {
        var group = new Option<string?>("--group") { Description = "Shows the messages of this group." };
        var messages = CliOptions.Count("--messages", "How many messages of the group to show.", ShownMessages);
        var command = new Command("dead-letters", "Groups failed, skipped and parked messages by their cause.")
            { group, messages, Replay(connection), Discard(connection) };
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var list = await client.ListDeadLettersAsync(new ListDeadLettersRequest
            {
                GroupId = parsed.GetValue(group) ?? "",
                MaxMessages = parsed.GetValue(messages),
            }, cancellationToken: run.CancellationToken);
            run.Write(list, () =>
            {
                var table = OpsRun.NewTable("group", "count", "state", "queue", "message", "cause", "since");
                foreach (var x in list.Groups)
                    table.AddRow(x.GroupId, $"{x.Count}", $"{x.Kind}", x.Queue.EscapeMarkup(),
                        x.MessageType.EscapeMarkup(), CauseOf(x).EscapeMarkup(), OpsRun.Text(x.OldestTime));
                run.Write(table, "There are no dead letters.");
                run.Write(list.Missing);
                if (parsed.GetValue(group) != null)
                    foreach (var message in list.Groups.SelectMany(x => x.Messages))
                        Show(run, message);
            });
            return list.Groups.Count + list.Missing.Count == 0 ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    static string CauseOf(DeadLetterGroup group) => string.Join('\n', new[]
    {
        $"{group.ExceptionType}{(group.Place == "" ? "" : $" in {group.Place}")}".Trim(), group.Reason,
    }.Where(x => x != ""));

    static void Show(OpsRun run, DeadLetter message)
    {
        run.Console.WriteLine();
        var (sent, failed) = (OpsRun.Text(message.SendTime), OpsRun.Text(message.FailTime));
        run.Console.MarkupLineInterpolated($"[bold]{message.MessageId}[/], sent {sent}, failed {failed}");
        run.Console.WriteLine(message.Body);
        run.Console.WriteLine(message.StackTrace);
    }

    static Command Replay(OpsConnection connection)
    {
        var (group, reason, yes) = (Group(), OpsRun.ReasonOption(), OpsRun.YesOption());
        var limit = CliOptions.Count("--limit", "The most messages to replay, the oldest first; 0: all.", 0, min: 0);
        var rate = CliOptions.Positive("--rate", "Messages per second.", 100);
        var command = new Command("replay", "Returns the messages of a group to their queue. It can be interrupted, "
            + "and continues with those that are left.") { group, limit, rate, reason, yes };
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var found = await FindAsync(client, parsed.GetValue(group)!, run);
            if (!run.Confirm($"Return {Count(found, parsed.GetValue(limit))} {found.MessageType} to {found.Queue}",
                parsed.GetValue(yes)))
                return OpsConnection.Found;
            using var call = client.ReplayDeadLetters(new ReplayDeadLettersRequest
            {
                GroupId = found.GroupId,
                Limit = parsed.GetValue(limit),
                Rate = parsed.GetValue(rate),
                Operator = run.Operator,
                Reason = parsed.GetValue(reason)!,
            }, cancellationToken: run.CancellationToken);
            var last = new ReplayProgress();
            await foreach (var progress in call.ResponseStream.ReadAllAsync(run.CancellationToken))
                run.Write(last = progress, () => run.Console.WriteLine(
                    $"{progress.Replayed} of {progress.Total} returned, {progress.Kept} kept"));
            return last.Replayed == last.Total ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    static Command Discard(OpsConnection connection)
    {
        var (group, reason, yes) = (Group(), OpsRun.ReasonOption(), OpsRun.YesOption());
        var command = new Command("discard", "Deletes the messages of a group, except those that an order needs.")
            { group, reason, yes };
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var found = await FindAsync(client, parsed.GetValue(group)!, run);
            if (!run.Confirm($"Delete {found.Count} {found.MessageType} of {found.Queue} for good",
                parsed.GetValue(yes)))
                return OpsConnection.Found;
            var response = await client.DiscardDeadLettersAsync(new DiscardDeadLettersRequest
            {
                GroupId = found.GroupId,
                Operator = run.Operator,
                Reason = parsed.GetValue(reason)!,
            }, cancellationToken: run.CancellationToken);
            run.Write(response, () =>
            {
                run.Console.WriteLine($"{response.Discarded} deleted, {response.Kept.Count} kept");
                foreach (var kept in response.Kept)
                    run.Console.WriteLine($"{kept.MessageId}: {kept.Reason}");
            });
            return response.Kept.Count == 0 ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    static Argument<string> Group() => new("group") { Description = "The group, as the list names it." };

    static long Count(DeadLetterGroup group, int limit) => limit > 0 ? Math.Min(limit, group.Count) : group.Count;

    static async Task<DeadLetterGroup> FindAsync(OperationsService.OperationsServiceClient client, string group,
        OpsRun run) => (await client.ListDeadLettersAsync(
            new ListDeadLettersRequest { GroupId = group, MaxMessages = 1 }, cancellationToken: run.CancellationToken))
        .Groups.FirstOrDefault()
        ?? throw new RpcException(new Grpc.Core.Status(StatusCode.NotFound,
            $"there are no dead letters of a group {group}"));
}
