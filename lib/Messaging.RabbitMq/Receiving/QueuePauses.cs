using System.Collections.Immutable;

namespace Messaging.RabbitMq;

/// <summary>
/// The queues that this process does not consume, because an operator has paused them. Messages wait in the broker
/// meanwhile; those that were delivered before are handled.
/// </summary>
public sealed class QueuePauses
{
    readonly Lock _lock = new();
    readonly List<PausableSubscription> _subscriptions = [];
    volatile ImmutableHashSet<string> _paused = [];

    /// <summary>Whether a queue is paused.</summary>
    public bool IsPaused(string queue) => _paused.Contains(queue);

    /// <summary>The paused queues.</summary>
    public IReadOnlyCollection<string> Paused => _paused;

    /// <summary>Replaces the paused queues; completes when their subscriptions have changed.</summary>
    public Task SetAsync(IEnumerable<string> queues)
    {
        _paused = [.. queues];
        PausableSubscription[] subscriptions;
        lock (_lock)
            subscriptions = [.. _subscriptions];
        return Task.WhenAll(subscriptions.Select(x => x.ApplyAsync()));
    }

    internal void Add(PausableSubscription subscription)
    {
        lock (_lock)
            _subscriptions.Add(subscription);
    }

    internal void Remove(PausableSubscription subscription)
    {
        lock (_lock)
            _subscriptions.Remove(subscription);
    }
}
