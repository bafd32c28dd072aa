namespace Saga.Simulation;

/// <summary>A service's database: atomic transactions, unique keys and row locks.</summary>
class SimDatabase(World world)
{
    readonly HashSet<(Guid, string)> _inbox = [];
    readonly HashSet<(Guid, string)> _handled = []; // the truth, also when the mutant switches the inbox off
    readonly Dictionary<Guid, (SimProcess Process, SimTransaction Transaction)> _locks = [];

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

    /// <exception cref="ConflictException">A concurrent transaction was first; nothing was changed.</exception>
    public void Commit(SimTransaction transaction)
    {
        foreach (var check in transaction.Checks)
            check();
        if (transaction.Consumed is var (messageId, consumer))
            Consume(messageId, transaction.InboxId ?? messageId, consumer);
        foreach (var change in transaction.Changes)
            change();
        var cancelled = Outbox.Values.Where(x => x.TokenId is { } token && transaction.CancelledTokens.Contains(token));
        foreach (var row in cancelled.ToList())
        {
            Outbox.Remove(row.Id);
            Committed.Remove(row.Id);
        }

        foreach (var message in transaction.Messages)
        {
            message.OwnerId = message.IsDelayed ? null : transaction.OwnerId;
            Outbox.Add(message.Id, message.Copy());
            Committed.Add(message.Id, message);
        }

        transaction.IsCommitted = true;
        Release(transaction);
    }

    void Consume(Guid messageId, Guid inboxId, string consumer)
    {
        if (world.Mutant != Mutant.InboxOff && !_inbox.Add((inboxId, consumer)))
            throw new ConflictException("the inbox already has this message");
        if (!_handled.Add((messageId, consumer)))
            world.Invariants.Violated($"exactly once: message {messageId:N} took effect twice at {consumer}");
        Consumed.Add(messageId);
    }

    /// <summary>
    /// Whether a transaction can lock a row now; the locks of a killed process end with its connection.
    /// </summary>
    public bool CanLock(Guid row, SimTransaction? transaction) =>
        !_locks.TryGetValue(row, out var held) || held.Transaction == transaction || held.Process.HasExited;

    public void Lock(Guid row, SimProcess process, SimTransaction transaction) => _locks[row] = (process, transaction);

    public void Release(SimTransaction transaction)
    {
        foreach (var row in _locks.Where(x => x.Value.Transaction == transaction).Select(x => x.Key).ToList())
            _locks.Remove(row);
    }
}
