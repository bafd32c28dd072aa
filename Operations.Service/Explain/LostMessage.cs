using Operations.V1;

namespace Operations;

/// <summary>
/// Finds out whether the message that an order waits for was lost: no outbox, no queue and no consumer has a message,
/// although the order still waits.
/// </summary>
static class LostMessage
{
    /// <summary>The broker's counts are up to five seconds old, and a message needs a moment itself.</summary>
    static readonly TimeSpan MinWait = TimeSpan.FromSeconds(8);

    /// <summary>Says which message was lost; null if that is not certain.</summary>
    public static string? Find(OrderStoryFacts facts, Wait wait)
    {
        var ways = facts.Queues.Where(x => x.Name == wait.Queue || QueueAdvice.AnswerQueues.Contains(x.Name)).ToList();
        if (facts is not { IsAccountReached: true, IsBrokerReached: true } || ways.Count == 0 || facts.Unsent.Any()
            || facts.Now - wait.Since.ToDateTime() < MinWait
            || ways.Any(x => x.Messages + x.Batches + x.Unacknowledged > 0))
            return null;
        var (command, hasDecided) = (facts.Order!.Order.State, facts.Reservation.Reservation?.Status) switch
        {
            ("Reserving", var status) => ("ReserveFunds", status != null),
            ("Cancelling", var status) => ("ReleaseFunds", status is "Released" or "Rejected"),
            ("Confirmed", var status) => ("OrderConfirmed", status == "Captured"),
            _ => (wait.Message, false),
        };
        return hasDecided
            ? $"Account's answer was lost: its reservation is {facts.Reservation.Reservation!.Status}, and "
                + $"{wait.Message} is in no outbox, queue or consumer."
            : $"{command} was lost: it is in no outbox, queue or consumer, and Account has not acted on it, or has "
                + "lost that since its database was restored from a backup.";
    }
}
