using Contracts;
using Orders;

namespace Saga.Simulation;

/// <summary>A broker whose queues deliver in random order and redeliver unacknowledged messages.</summary>
/// <param name="partitions">How many queues of a name Account has.</param>
/// <param name="partitionOf">Which of them receives a message; 0 for a message to Order.</param>
sealed class SimBroker(int partitions, Func<object, int> partitionOf)
{
    public const string OrderStateQueue = "order-state", ReserveFundsQueue = "reserve-funds",
        ReleaseFundsQueue = "release-funds", CaptureFundsQueue = "capture-funds",
        OrdersCapturedQueue = "orders-captured";

    readonly Dictionary<(string Name, int Partition), List<AmqpMessage>> _queues = new(
        from partition in Enumerable.Range(0, partitions)
        from name in new[]
        {
            OrderStateQueue, ReserveFundsQueue, ReleaseFundsQueue, CaptureFundsQueue, OrdersCapturedQueue,
        }
        select KeyValuePair.Create((name, partition), new List<AmqpMessage>()));

    readonly List<(SimProcess Consumer, (string, int) Queue, AmqpMessage Message, ulong Tag)> _unacknowledged = [];
    ulong _lastTag;

    public bool IsDown { get; set; }
    public bool HasQueuedMessages => _queues.Values.Any(x => x.Count > 0);
    public bool IsEmpty => _unacknowledged.Count == 0 && !HasQueuedMessages;

    /// <summary>The name of the queue that receives a message; null for a message without a consumer.</summary>
    public static string? QueueOf(object content) => content switch
    {
        ReserveFunds => ReserveFundsQueue,
        ReleaseFunds => ReleaseFundsQueue,
        OrderConfirmed => CaptureFundsQueue,
        FundsReserved or ReservationRejected or FundsReleased or ReservationTimedOut => OrderStateQueue,
        OrdersCaptured => OrdersCapturedQueue,
        _ => null,
    };

    /// <summary>The queue that receives a message; null for a message without a consumer.</summary>
    public (string Name, int Partition)? AddressOf(object content) =>
        QueueOf(content) is { } name ? (name, partitionOf(content)) : null;

    /// <summary>Puts a message into the queue of its type; messages without a consumer are dropped.</summary>
    public void Enqueue(AmqpMessage message)
    {
        if (AddressOf(message.Messages[0].Content) is { } queue)
            _queues[queue].Add(message);
    }

    /// <summary>
    /// Delivers a random message of a queue to a consumer; null if the queue is empty or the broker is down.
    /// </summary>
    public (AmqpMessage Message, ulong Tag)? Deliver(
        string name, int partition, SimProcess consumer, Random random)
    {
        if (IsDown || Dequeue((name, partition), random) is not { } message)
            return null;
        _unacknowledged.Add((consumer, (name, partition), message, ++_lastTag));
        return (message, _lastTag);
    }

    /// <summary>Removes a random message of a queue, as a purge or a policy does; null if the queue is empty.</summary>
    public AmqpMessage? Lose(string name, int partition, Random random) => Dequeue((name, partition), random);

    /// <summary>
    /// Acknowledges a delivery, or returns it to its queue; without effect after the consumer's connection was closed.
    /// </summary>
    /// <returns>False if the delivery was already requeued.</returns>
    public bool Settle(ulong tag, bool isReturned)
    {
        var index = _unacknowledged.FindIndex(x => x.Tag == tag);
        if (index < 0)
            return false;
        var (_, queue, message, _) = _unacknowledged[index];
        _unacknowledged.RemoveAt(index);
        if (isReturned)
            _queues[queue].Add(message.AsRedelivered());
        return true;
    }

    /// <summary>Requeues a consumer's unacknowledged messages; the consumer may still be handling them.</summary>
    public void CloseConnection(SimProcess consumer)
    {
        foreach (var (_, _, _, tag) in _unacknowledged.FindAll(x => x.Consumer == consumer))
            Settle(tag, isReturned: true);
    }

    AmqpMessage? Dequeue((string, int) queue, Random random)
    {
        var queued = _queues[queue];
        if (queued.Count == 0)
            return null;
        var index = random.Next(queued.Count);
        var message = queued[index];
        queued.RemoveAt(index);
        return message;
    }
}
