using Contracts;
using Orders;

namespace Saga.Simulation;

/// <summary>A message in a queue.</summary>
sealed record Queued(Guid MessageId, object Content, Guid? Token)
{
    public bool Redelivered { get; init; }
}

/// <summary>Queues that keep no order, deliver what is not acknowledged again, and sometimes double what they get.</summary>
sealed class SimBroker
{
    public const string ForOrder = "order-state", ToReserve = "reserve-funds", ToRelease = "release-funds", ToCapture = "capture-funds";

    readonly Dictionary<string, List<Queued>> _queues = new() { [ForOrder] = [], [ToReserve] = [], [ToRelease] = [], [ToCapture] = [] };
    readonly List<(Life To, string Queue, Queued Message, object Tag)> _delivered = [];

    public bool IsDown { get; set; }
    public int Redeliveries { get; private set; }
    public IEnumerable<(string Name, int Count)> Waiting => _queues.Select(x => (x.Key, x.Value.Count));
    public bool IsEmpty => _delivered.Count == 0 && _queues.Values.All(x => x.Count == 0);

    public void Put(Queued message)
    {
        if (QueueOf(message.Content) is { } queue)
            _queues[queue].Add(message);
    }

    /// <summary>Takes a message out of a queue, for a consumer.</summary>
    public (Queued Message, object Tag)? Deliver(string queue, Life to, Random random)
    {
        var waiting = _queues[queue];
        if (IsDown || waiting.Count == 0)
            return null;
        var at = random.Next(waiting.Count);
        var message = waiting[at];
        waiting.RemoveAt(at);
        var tag = new object();
        _delivered.Add((to, queue, message, tag));
        return (message, tag);
    }

    /// <summary>Too late if the delivery was given back: then it means nothing.</summary>
    public bool Acknowledge(object tag) => _delivered.RemoveAll(x => x.Tag == tag) > 0;

    /// <summary>Gives everything back that a consumer has not acknowledged; the consumer may still be at it.</summary>
    public void Cut(Life consumer)
    {
        foreach (var (_, queue, message, _) in _delivered.Where(x => x.To == consumer))
        {
            _queues[queue].Add(message with { Redelivered = true });
            Redeliveries++;
        }

        _delivered.RemoveAll(x => x.To == consumer);
    }

    static string? QueueOf(object content) => content switch
    {
        ReserveFunds => ToReserve,
        ReleaseFunds => ToRelease,
        OrderConfirmed => ToCapture,
        FundsReserved or ReservationRejected or FundsReleased or ReservationTimedOut => ForOrder,
        _ => null, // nobody listens
    };
}
