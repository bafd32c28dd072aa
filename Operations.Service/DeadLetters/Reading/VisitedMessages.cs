using System.Collections.Concurrent;

namespace Operations;

/// <summary>
/// Counts the messages that visits of <see cref="DeadLetterQueues" /> have received and not returned yet. The broker
/// does not count them among those of their queues.
/// </summary>
sealed class VisitedMessages
{
    readonly ConcurrentDictionary<string, int> _counts = new();

    /// <summary>How many messages of a queue a visit has received.</summary>
    public int CountOf(string queue) => _counts.GetValueOrDefault(queue);

    /// <summary>Adds a message that was received, or removes one that is settled.</summary>
    public void Add(string queue, int difference) => _counts.AddOrUpdate(queue, difference, (_, x) => x + difference);

    /// <summary>Ends the visit of a queue.</summary>
    public void Clear(string queue) => _counts.TryRemove(queue, out _);
}
