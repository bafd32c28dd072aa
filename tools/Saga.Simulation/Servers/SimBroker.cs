using Contracts;
using Orders;

namespace Saga.Simulation;

/// <summary>A broker whose queues deliver in random order and redeliver unacknowledged messages.</summary>
sealed class SimBroker
{
    public const string OrderStateQueue = "order-state", ReserveFundsQueue = "reserve-funds",
        ReleaseFundsQueue = "release-funds", CaptureFundsQueue = "capture-funds";

    readonly Dictionary<string, List<QueuedMessage>> _queues = new()
    {
        [OrderStateQueue] = [],
        [ReserveFundsQueue] = [],
        [ReleaseFundsQueue] = [],
        [CaptureFundsQueue] = [],
    };

    readonly List<(SimProcess Consumer, string Queue, QueuedMessage Message, object Tag)> _unacknowledged = [];

    public bool IsDown { get; set; }
    public bool HasQueuedMessages => _queues.Values.Any(x => x.Count > 0);
    public bool IsEmpty => _unacknowledged.Count == 0 && !HasQueuedMessages;

    /// <summary>Puts a message into the queue of its type; messages without a consumer are dropped.</summary>
    public void Enqueue(QueuedMessage message)
    {
        if (QueueOf(message.Content) is { } queue)
            _queues[queue].Add(message);
    }

    /// <summary>
    /// Delivers a random message of a queue to a consumer; null if the queue is empty or the broker is down.
    /// </summary>
    public (QueuedMessage Message, object Tag)? Deliver(string queue, SimProcess consumer, Random random)
    {
        var queued = _queues[queue];
        if (IsDown || queued.Count == 0)
            return null;
        var index = random.Next(queued.Count);
        var message = queued[index];
        queued.RemoveAt(index);
        var tag = new object();
        _unacknowledged.Add((consumer, queue, message, tag));
        return (message, tag);
    }

    /// <summary>Removes a random message of a queue, as a purge or a policy does; null if the queue is empty.</summary>
    public QueuedMessage? Lose(string queue, Random random)
    {
        var queued = _queues[queue];
        if (queued.Count == 0)
            return null;
        var index = random.Next(queued.Count);
        var message = queued[index];
        queued.RemoveAt(index);
        return message;
    }

    /// <summary>Acknowledges a delivery; without effect after the consumer's connection was closed.</summary>
    /// <returns>False if the delivery was already requeued.</returns>
    public bool Acknowledge(object tag) => _unacknowledged.RemoveAll(x => x.Tag == tag) > 0;

    /// <summary>Requeues a consumer's unacknowledged messages; the consumer may still be handling them.</summary>
    public void CloseConnection(SimProcess consumer)
    {
        foreach (var (_, queue, message, _) in _unacknowledged.Where(x => x.Consumer == consumer))
            _queues[queue].Add(message with { Redelivered = true });
        _unacknowledged.RemoveAll(x => x.Consumer == consumer);
    }

    static string? QueueOf(object content) => content switch
    {
        ReserveFunds => ReserveFundsQueue,
        ReleaseFunds => ReleaseFundsQueue,
        OrderConfirmed => CaptureFundsQueue,
        FundsReserved or ReservationRejected or FundsReleased or FundsCaptured or ReservationTimedOut =>
            OrderStateQueue,
        _ => null,
    };
}
