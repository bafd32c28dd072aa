using Operations.V1;
using static Operations.StoryEvents;

namespace Operations;

/// <summary>Says what would help an order: the causes that are known first.</summary>
static class OrderAdvice
{
    /// <summary>So many messages in a queue take longer than an order should.</summary>
    const int LongQueue = 1000;

    static readonly string[] AnswerQueues = ["order-state", "orders-captured"];

    /// <summary>The sentences; none if nothing needs help.</summary>
    public static IEnumerable<string> Of(OrderStoryFacts facts)
    {
        var advice = OfLetters(facts.Letters).Concat(OfQueues(facts)).Concat(OfMismatch(facts)).ToList();
        if (advice.Count == 0 && facts.Order?.Wait is { IsStuck: true } wait)
            advice.Add($"No cause is visible, so a message may have been lost, or the account is locked by somebody "
                + $"else (pg_locks in Account's database). Ask again now: ops redrive {facts.OrderId}. Order does so "
                + $"by itself at {Text(wait.ResendTime)}.");
        return advice;
    }

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

    static IEnumerable<string> OfQueues(OrderStoryFacts facts)
    {
        if (facts.Order?.Wait is not { } wait)
            yield break;
        if (facts.Queues.All(x => x.Name != wait.Queue))
            yield return $"The queue {wait.Queue} does not exist: start Account.";
        foreach (var queue in facts.Queues.Where(x => x.Name == wait.Queue || AnswerQueues.Contains(x.Name)))
        {
            var service = queue.Name == wait.Queue ? "Account" : "Order";
            if (queue.Pause is { } pause)
                yield return $"The queue {queue.Name} was paused by {pause.Operator} at {Text(pause.PauseTime)} "
                    + $"({pause.Reason}). When the reason is gone, run: ops resume {queue.Name}.";
            else if (queue.Consumers == 0)
                yield return $"Nobody consumes the queue {queue.Name}: check that {service} runs.";
            else if (queue.Messages > LongQueue)
                yield return $"{queue.Messages} messages wait in the queue {queue.Name}: scale out {service}, or find "
                    + "out why it is slow.";
        }
    }

    static IEnumerable<string> OfMismatch(OrderStoryFacts facts)
    {
        if (facts.Order is { Wait: not null, Order.State: "Confirmed" })
            yield break; // it is asked for again
        var kind = MismatchRule.KindOf(facts.Order?.Order.State, facts.Reservation.Reservation?.Status);
        if (kind != default)
            yield return Mends.Of(kind);
    }
}
