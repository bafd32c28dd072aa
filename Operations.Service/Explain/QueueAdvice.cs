using Operations.V1;
using static Operations.StoryEvents;

namespace Operations;

/// <summary>Says what the broker keeps an order waiting for.</summary>
static class QueueAdvice
{
    /// <summary>So many messages in a queue take longer than an order should.</summary>
    const int LongQueue = 1000;

    /// <summary>The queues of Order by which it receives Account's answers.</summary>
    public static readonly string[] AnswerQueues = ["order-state", "orders-captured"];

    /// <summary>The sentences; none if the order waits for nothing, or for something else.</summary>
    public static IEnumerable<string> Of(OrderStoryFacts facts)
    {
        if (facts.Order?.Wait is not { } wait)
            yield break;
        if (facts.Alarms.Count > 0)
            yield return $"RabbitMQ has raised an alarm ({string.Join(", ", facts.Alarms)}) and blocks publishers: "
                + "free memory or disk there. What waits in the outboxes is sent by itself then.";
        foreach (var message in facts.Unsent.Where(x => x.Error != ""))
            yield return $"{MessageEnvelope.NameOf(message.MessageType)} has not left the outbox, because the broker "
                + $"refuses it: {message.Error}. Remove the cause; it is sent by itself then.";
        foreach (var queue in facts.Queues.Where(x => x.Name == wait.Queue || AnswerQueues.Contains(x.Name)))
            if (Of(queue, queue.Name == wait.Queue && wait.Queue != AnswerQueues[0] ? "Account" : "Order")
                is { } sentence)
                yield return sentence;
    }

    static string? Of(BrokerQueue queue, string service) => queue switch
    {
        { Pause: { } pause } => $"The queue {queue.Name} was paused by {pause.Operator} at {Text(pause.PauseTime)} "
            + $"({pause.Reason}). When the reason is gone, run: ops resume {queue.Name}.",
        { IsMissing: true } => $"The queue {queue.Name} does not exist: somebody has deleted it, with its messages. "
            + $"{service} declares it again within seconds of running: check that {service} runs.",
        { Consumers: 0 } => $"Nobody consumes the queue {queue.Name}: check that {service} runs.",
        { Messages: > LongQueue } => $"{queue.Messages} messages wait in the queue {queue.Name}: scale out {service}, "
            + "or find out why it is slow.",
        _ => null,
    };
}
