using MassTransit.EntityFrameworkCoreIntegration;

namespace Saga.Simulation;

/// <summary>A row of the outbox, with the message as an object instead of its text.</summary>
sealed class SimMessage : OutboxMessage
{
    public required object Content { get; init; }

    public SimMessage Copy() => (SimMessage)MemberwiseClone();
}

/// <summary>What a transaction will do: looked at for conflicts first, then done at once.</summary>
sealed class SimUnit
{
    public (Guid MessageId, string Consumer)? Consumed { get; set; }
    public List<SimMessage> Messages { get; } = [];
    public List<Guid> Unscheduled { get; } = [];
    public List<Action> Checks { get; } = [];
    public List<Action> Changes { get; } = [];
}

/// <summary>One service's database: transactions that are all or nothing, unique keys, row locks.</summary>
class SimDatabase(World world)
{
    readonly HashSet<(Guid, string)> _inbox = [];
    readonly HashSet<(Guid, string)> _handled = []; // what the inbox is to remember, kept apart from it
    readonly Dictionary<Guid, (Life Life, SimUnit Unit)> _locks = [];

    protected World World => world;

    public Dictionary<Guid, SimMessage> Outbox { get; } = [];

    public bool IsConsumed(Guid messageId, string consumer) => world.Mutant != Mutant.InboxOff && _inbox.Contains((messageId, consumer));

    /// <summary>What happens when the window of duplicate detection is over.</summary>
    public void ForgetInbox()
    {
        _inbox.Clear();
        _handled.Clear();
    }

    public void Commit(SimUnit unit)
    {
        foreach (var check in unit.Checks)
            check();
        if (unit.Consumed is { } key && world.Mutant != Mutant.InboxOff && !_inbox.Add(key))
            throw new Conflict("the inbox has this message");
        if (unit.Consumed is { } handled && !_handled.Add(handled))
            world.Violation($"exactly once: message {handled.MessageId:N} had its effects twice at {handled.Consumer}");
        foreach (var change in unit.Changes)
            change();
        foreach (var row in Outbox.Values.Where(x => x.TokenId is { } token && unit.Unscheduled.Contains(token)).ToList())
            Outbox.Remove(row.Id);
        foreach (var message in unit.Messages)
            Outbox.Add(message.Id, message.Copy());
        Release(unit);
    }

    /// <summary>Whether a transaction could lock a row now; a killed process's locks end with its connection.</summary>
    public bool CanLock(Guid row, SimUnit? unit) => !_locks.TryGetValue(row, out var held) || held.Unit == unit || held.Life.IsOver;

    public void Lock(Guid row, Life life, SimUnit unit) => _locks[row] = (life, unit);

    public void Release(SimUnit unit)
    {
        foreach (var row in _locks.Where(x => x.Value.Unit == unit).Select(x => x.Key).ToList())
            _locks.Remove(row);
    }
}
