using Messaging.Postgres.Observability;

namespace Messaging.Postgres.Commits;

/// <summary>
/// Rows that were locked by other transactions, and messages whose group has failed after its decision. Their units
/// commit from separate queues, so that they do not delay other units, until one of them has succeeded.
/// </summary>
/// <remarks>Not thread-safe: the committer's lock guards it.</remarks>
/// <param name="maxConcurrentQueues">How many of the queues commit at the same time.</param>
sealed class Quarantine(int maxConcurrentQueues)
{
    const int MaxKeys = 10_000;

    readonly SemaphoreSlim _concurrency = new(maxConcurrentQueues);
    readonly Dictionary<object, CommitQueue> _queues = [];

    /// <summary>The queue of the unit's message or rows, or null if none of them is quarantined.</summary>
    public CommitQueue? Find(GroupMember member) =>
        _queues.Count == 0 ? null : Find(member.Keys) ?? Find(member.Contended);

    CommitQueue? Find(IReadOnlyList<object> keys) =>
        keys.Select(x => _queues.GetValueOrDefault(x)).FirstOrDefault(x => x != null);

    /// <summary>Quarantines the keys of units; keys of one unit share a queue.</summary>
    public void Add(IEnumerable<IReadOnlyList<object>> keysOfUnits)
    {
        var before = _queues.Count;
        // Drops keys that were never released. If a row is still locked, it is quarantined again.
        if (_queues.Count > MaxKeys)
            foreach (var (key, _) in _queues.Where(x => !x.Value.IsDraining).ToList())
                _queues.Remove(key);
        foreach (var keys in keysOfUnits)
        {
            var queue = Find(keys) ?? new CommitQueue(_concurrency, isQuarantined: true);
            foreach (var key in keys)
                _queues.TryAdd(key, queue);
        }

        MessagingMetrics.RowsQuarantined(_queues.Count - before);
    }

    /// <summary>
    /// Releases the keys of committed units; units that wait in the queue by now are still committed from it.
    /// </summary>
    public void Release(CommitQueue queue, List<GroupMember> group)
    {
        var before = _queues.Count;
        foreach (var key in group.Where(x => x.HasSucceeded).SelectMany(x => x.Keys.Concat(x.Contended)))
            if (_queues.GetValueOrDefault(key) == queue)
                _queues.Remove(key);
        MessagingMetrics.RowsQuarantined(_queues.Count - before);
    }
}
