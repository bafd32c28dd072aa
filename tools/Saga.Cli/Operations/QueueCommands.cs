using System.CommandLine;
using Operations.V1;
using Spectre.Console;

namespace Saga.Cli;

/// <summary>The commands about queues.</summary>
static class QueueCommands
{
    public static Command Queues(OpsConnection connection)
    {
        var command = new Command("queues", "Lists the queues of both services with their messages and pauses.");
        connection.SetAction(command, async (client, run, _) =>
        {
            var list = await client.ListQueuesAsync(new ListBrokerQueuesRequest(),
                cancellationToken: run.CancellationToken);
            run.Write(list, () =>
            {
                var table = OpsRun.NewTable("queue", "messages", "batches", "handled now", "consumers",
                    "failed", "skipped", "paused");
                foreach (var x in list.Queues)
                    table.AddRow(x.Name.EscapeMarkup(), x.IsMissing ? "no such queue" : $"{x.Messages}", $"{x.Batches}",
                        $"{x.Unacknowledged}", $"{x.Consumers}", $"{x.Failed}", $"{x.Skipped}",
                        TextOf(x.Pause).EscapeMarkup());
                run.Write(table, "There are no queues.");
                foreach (var alarm in list.Alarms)
                    run.Console.MarkupLineInterpolated($"[red]The broker blocks publishers:[/] {alarm}");
                run.Write(list.Missing);
            });
            return list.Alarms.Count + list.Missing.Count == 0 ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    static string TextOf(Queue? pause) => pause == null ? ""
        : $"since {OpsRun.Text(pause.PauseTime)} by {pause.Operator}: {pause.Reason}";

    public static Command Pause(OpsConnection connection)
    {
        var (queue, reason, yes) = (Queue(), OpsRun.ReasonOption(), OpsRun.YesOption());
        var command = new Command("pause", "Stops the consumption of a queue on all replicas, until it is resumed.")
            { queue, reason, yes };
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var name = parsed.GetValue(queue)!;
            if (!run.Confirm($"Stop the consumption of 1 queue, {name}, on all replicas", parsed.GetValue(yes)))
                return OpsConnection.Found;
            var paused = await client.PauseQueueAsync(new PauseQueueRequest
            {
                Name = name,
                Operator = run.Operator,
                Reason = parsed.GetValue(reason)!,
            }, cancellationToken: run.CancellationToken);
            run.Write(paused, () => run.Console.WriteLine($"{name} is paused {TextOf(paused)}"));
            return OpsConnection.Done;
        });
        return command;
    }

    public static Command Resume(OpsConnection connection)
    {
        var (queue, reason, yes) = (Queue(), OpsRun.ReasonOption(), OpsRun.YesOption());
        var command = new Command("resume", "Ends the pause of a queue.") { queue, reason, yes };
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var name = parsed.GetValue(queue)!;
            if (!run.Confirm($"Resume the consumption of 1 queue, {name}", parsed.GetValue(yes)))
                return OpsConnection.Found;
            var resumed = await client.ResumeQueueAsync(new ResumeQueueRequest
            {
                Name = name,
                Operator = run.Operator,
                Reason = parsed.GetValue(reason)!,
            }, cancellationToken: run.CancellationToken);
            run.Write(resumed, () => run.Console.WriteLine($"{name} is consumed"));
            return OpsConnection.Done;
        });
        return command;
    }

    static Argument<string> Queue() => new("queue") { Description = "The queue, such as reserve-funds." };
}
