using Operations.V1;
using static Operations.StoryEvents;

namespace Operations;

/// <summary>Says what needs help in an overview.</summary>
static class OverviewProblems
{
    const string Stuck = "stuck", DeadLetters = "dead-letters", Queues = "queues", Reconcile = "reconcile";

    /// <summary>As the alert MessagesUnsent.</summary>
    static readonly TimeSpan MaxUnsentAge = TimeSpan.FromMinutes(1);

    /// <summary>The problems, the most urgent first.</summary>
    /// <param name="overview">What was read.</param>
    /// <param name="consumed">The queues of the services that have answered.</param>
    public static IEnumerable<Problem> Of(Overview overview, IReadOnlyList<Queue> consumed) =>
    [
        .. OfBroker(overview.Broker),
        .. OfOutbox("Order", overview.Orders?.Outbox),
        .. OfOutbox("Account", overview.Holds?.Outbox),
        .. OfGroups("orders have waited for {0} for longer than {1}", overview.Orders?.Stuck),
        .. OfGroups("holds have waited for {0} for longer than {1}", overview.Holds?.Stuck),
        .. OfDeadLetters(overview),
        .. overview.Mismatches == 0 ? [] : Some(Reconcile,
            $"Order and Account do not match in {overview.Mismatches} orders or accounts."),
        .. consumed.Where(x => x.IsPaused).Select(x => One(Queues,
            $"The queue {x.Name} is paused since {Text(x.PauseTime)} by {x.Operator}: {x.Reason}")),
    ];

    static IEnumerable<Problem> OfBroker(BrokerOverview? broker)
    {
        if (broker == null)
            return [];
        return broker.Alarms.Select(x => One(Queues, $"RabbitMQ has raised a {x}. Messages wait in the outboxes."))
            .Concat(broker.Queues.Where(x => x is { Consumers: 0, Pause: null })
                .Select(x => One(Queues, $"Nobody consumes the queue {x.Name}.")));
    }

    static IEnumerable<Problem> OfOutbox(string service, Outbox? outbox) =>
        outbox?.OldestAge.ToTimeSpan() is { } age && age > MaxUnsentAge
            ? Some(Queues, $"{service} has not sent {outbox.Unsent} messages, the oldest for {Text(age)}.") : [];

    static IEnumerable<Problem> OfGroups(string what, IEnumerable<StuckGroup>? groups) =>
        (groups ?? []).Select(x => One(Stuck, $"{x.Count} "
            + $"{string.Format(null, what, x.Message, Text(x.OlderThan.ToTimeSpan()))}, since {Text(x.OldestSince)}."));

    static IEnumerable<Problem> OfDeadLetters(Overview overview)
    {
        var queues = overview.Broker?.Queues.ToList() ?? [];
        var (failed, skipped) = (queues.Sum(x => x.Failed), queues.Sum(x => x.Skipped));
        var parked = (overview.Orders?.Outbox.Parked ?? 0) + (overview.Holds?.Outbox.Parked ?? 0);
        return failed + skipped + parked == 0 ? []
            : Some(DeadLetters, $"Dead letters: {failed} failed, {skipped} skipped, {parked} parked.");
    }

    static Problem[] Some(string command, string text) => [One(command, text)];

    static Problem One(string command, string text) => new() { Text = text, Command = command };
}
