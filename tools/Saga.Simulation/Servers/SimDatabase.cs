namespace Saga.Simulation;

/// <summary>A service's database: atomic transactions, unique keys and row locks.</summary>
class SimDatabase(World world)
{
    readonly HashSet<(Guid, string)> _inbox = [];
    readonly HashSet<(Guid, string)> _handled = []; // the truth, also when the mutant switches the inbox off
    readonly Dictionary<Guid, (SimProcess? Process, object Holder)> _locks = [];

    protected World World => world;

    public Dictionary<Guid, SimOutboxMessage> Outbox { get; } = [];

    /// <summary>The heartbeats of the replicas that own messages.</summary>
    public Dictionary<Guid, long> Heartbeats { get; } = [];

    /// <summary>The messages of all transactions, without the scheduled ones that were cancelled.</summary>
    public Dictionary<Guid, SimOutboxMessage> Committed { get; } = [];

    /// <summary>The ids of all messages that took effect, also when the inbox has forgotten them.</summary>
    public HashSet<Guid> Consumed { get; } = [];

    public bool IsConsumed(Guid inboxId, string consumer) =>
        world.Mutant != Mutant.InboxOff && _inbox.Contains((inboxId, consumer));

    /// <summary>Deletes all inbox rows, as at the end of the duplicate detection window.</summary>
    public void PurgeInbox()
    {
        _inbox.Clear();
        _handled.Clear();
    }

    /// <summary>Whether a transaction consumes a message that the inbox has, or has read a row that changed.</summary>
    public bool IsOutdated(SimTransaction transaction) => IsDuplicate(transaction) || transaction.IsStale();

    /// <summary>Whether the inbox has the message of a transaction.</summary>
    public bool IsDuplicate(SimTransaction transaction) => transaction.Consumed is var (messageId, consumer)
        && IsConsumed(transaction.InboxId ?? messageId, consumer);

    /// <summary>Commits the transactions of a group as one.</summary>
    /// <exception cref="ConflictException">A concurrent transaction was first; nothing was changed.</exception>
    public void Commit(IReadOnlyList<SimTransaction> group)
    {
        if (group.Any(IsOutdated) || group.Select(x => x.Row).OfType<Guid>().GroupBy(x => x).Any(x => x.Count() > 1))
            throw new ConflictException("the inbox has the message, or the row has changed since it was loaded");
        if (group.Select(x => x.NewKey).OfType<object>().GroupBy(x => x).Any(x => x.Count() > 1))
            throw new ConflictException("two units insert the same key");
        foreach (var check in group.SelectMany(x => x.Checks))
            check();
        foreach (var transaction in group)
            if (transaction.Consumed is var (messageId, consumer))
                Consume(transaction, messageId, transaction.InboxId ?? messageId, consumer);
        foreach (var change in group.SelectMany(x => x.Changes).Concat(group.SelectMany(x => x.Statements)))
            change();
        var cancelled = group.SelectMany(x => x.CancelledTokens).ToHashSet();
        foreach (var row in Outbox.Values.Where(x => x.TokenId is { } token && cancelled.Contains(token)).ToList())
        {
            Outbox.Remove(row.Id);
            Committed.Remove(row.Id);
        }

        foreach (var transaction in group)
            foreach (var message in transaction.Messages)
            {
                message.OwnerId = message.IsDelayed ? null : transaction.OwnerId;
                Outbox.Add(message.Id, message.Copy());
                Committed.Add(message.Id, message);
            }
    }

    void Consume(SimTransaction transaction, Guid messageId, Guid inboxId, string consumer)
    {
        if (world.Mutant != Mutant.InboxOff)
            _inbox.Add((inboxId, consumer));
        if (!_handled.Add((messageId, consumer)))
            world.Invariants.Violated($"exactly once: message {messageId:N} took effect twice at {consumer}");
        if (consumer is SimBroker.ReserveFundsQueue or SimBroker.ReleaseFundsQueue && transaction.Messages.Count == 0)
            world.Invariants.Violated($"I9: message {messageId:N} took effect at {consumer} without an answer");
        Consumed.Add(messageId);
    }

    /// <summary>Whether a transaction can lock a row now; the locks of a killed process end with it.</summary>
    public bool CanLock(Guid row, object? holder) =>
        !_locks.TryGetValue(row, out var held) || held.Holder == holder || held.Process is { HasExited: true };

    /// <summary>Locks a row until <see cref="Release" />.</summary>
    /// <param name="row">The row.</param>
    /// <param name="process">The process with whose end the lock ends.</param>
    /// <param name="holder">The transaction.</param>
    public void Lock(Guid row, SimProcess process, object holder) => _locks[row] = (process, holder);

    /// <summary>
    /// Locks rows, and keeps all locks of a transaction, until the server notices that the connection is lost.
    /// </summary>
    /// <returns>The server's holder of the locks.</returns>
    public object Keep(IEnumerable<Guid> rows, object holder)
    {
        var server = new object();
        foreach (var row in rows.Where(x => CanLock(x, holder)).Concat(RowsOf(holder)).ToList())
            _locks[row] = (null, server);
        return server;
    }

    public void Release(object holder)
    {
        foreach (var row in RowsOf(holder))
            _locks.Remove(row);
    }

    List<Guid> RowsOf(object holder) => [.. _locks.Where(x => x.Value.Holder == holder).Select(x => x.Key)];
}
