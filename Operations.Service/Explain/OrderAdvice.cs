using Operations.V1;
using static Operations.StoryEvents;

namespace Operations;

/// <summary>Says what would help an order: the causes that are known first.</summary>
static class OrderAdvice
{
    static readonly string[] OrderStates =
        ["Initial", "Reserving", "Cancelling", "Confirmed", "Rejected", "Cancelled"];

    static readonly string[] ReservationStatuses = ["Held", "Captured", "Released", "Rejected"];

    /// <summary>The sentences; none if nothing needs help.</summary>
    public static IEnumerable<string> Of(OrderStoryFacts facts)
    {
        var advice = OfMissing(facts).Concat(OfLetters(facts.Letters)).Concat(OfNewerBuild(facts))
            .Concat(QueueAdvice.Of(facts)).Concat(OfLock(facts)).Concat(OfMismatch(facts)).ToList();
        if (advice.Count == 0 && facts.Order?.Wait is { } wait)
            if (LostMessage.Find(facts, wait) is { } lost)
                advice.Add($"{lost} Ask again now: ops redrive {facts.OrderId}. Order does so by itself at "
                    + $"{Text(wait.ResendTime)}.");
            else if (wait.IsStuck)
                advice.Add("No cause is visible, so a message may have been lost. Ask again now: ops redrive "
                    + $"{facts.OrderId}. Order does so by itself at {Text(wait.ResendTime)}.");
        return advice;
    }

    static IEnumerable<string> OfMissing(OrderStoryFacts facts) =>
        from source in new[]
        {
            (facts.IsOrderReached, Answers.Order), (facts.IsAccountReached, Answers.Account),
            (facts.IsBrokerReached, Answers.Broker),
        }
        where !source.Item1
        select $"No answer from {source.Item2}: check that it runs. Everything else continues by itself then.";

    static IEnumerable<string> OfLetters(IReadOnlyList<DeadLetterMessage> letters) =>
        from letter in letters
        group letter by letter.Cause into same
        let cause = same.Key
        let type = MessageEnvelope.NameOf(cause.MessageType)
        select cause.Kind switch
        {
            DeadLetterKind.Skipped => $"{type} was sent to {cause.Queue}, where no consumer handles its type. If a "
                + $"newer build does, upgrade and run: ops dead-letters replay {cause.GroupId}.",
            DeadLetterKind.Parked => $"The broker has refused {type} for {cause.Queue} too often "
                + $"({Short(same.First().Reason)}). Remove the cause, then run: ops dead-letters replay "
                + $"{cause.GroupId}.",
            _ => $"{type} failed in {cause.Queue} ({cause.ExceptionType}: {Short(same.First().Reason)}). Remove "
                + $"the cause, then run: ops dead-letters replay {cause.GroupId}.",
        };

    static IEnumerable<string> OfNewerBuild(OrderStoryFacts facts)
    {
        if (facts.Order is { Order.State: var state } && !OrderStates.Contains(state))
            yield return $"A newer build of Order has written the state {state}. Older replicas postpone its messages: "
                + "finish the upgrade of Order.";
        if (facts.Reservation.Reservation is { Status: var status } && !ReservationStatuses.Contains(status))
            yield return "A newer build of Account has written the status of the reservation. Older replicas postpone "
                + "its messages: finish the upgrade of Account.";
    }

    static IEnumerable<string> OfLock(OrderStoryFacts facts)
    {
        if (facts is { Order.Wait: not null, Reservation.AccountLock: { Length: > 0 } session })
            yield return $"The account is locked by {session} in Account's database: end its transaction (with its "
                + "number: select pg_terminate_backend(…)). The orders of the account continue by themselves then.";
    }

    static IEnumerable<string> OfMismatch(OrderStoryFacts facts)
    {
        if (!facts.IsOrderReached || !facts.IsAccountReached
            || facts.Order is { Wait: not null, Order.State: "Confirmed" })
            yield break; // unknown, or it is asked for again
        var kind = MismatchRule.KindOf(facts.Order?.Order.State, facts.Reservation.Reservation?.Status);
        if (kind != default)
            yield return Mends.Of(kind);
    }
}
