namespace Saga.Simulation;

/// <summary>The changes of a transaction; the commit runs all checks, then applies all changes.</summary>
sealed class SimTransaction
{
    /// <summary>The name in the trace.</summary>
    public string Name { get; init; } = "";

    /// <summary>The message and its consumer, or null for a transaction that consumes no message.</summary>
    public (Guid MessageId, string Consumer)? Consumed { get; set; }

    /// <summary>The id in the inbox row; null for the message's.</summary>
    public Guid? InboxId { get; set; }

    /// <summary>The replica that sends the new outbox rows, or null for any.</summary>
    public Guid? OwnerId { get; init; }

    /// <summary>The new outbox rows.</summary>
    public List<SimOutboxMessage> Messages { get; } = [];

    /// <summary>The tokens of scheduled messages to delete.</summary>
    public List<Guid> CancelledTokens { get; } = [];

    /// <summary>The row that the transaction changes, or null.</summary>
    public Guid? Row { get; set; }

    /// <summary>Whether that row has changed since it was read.</summary>
    public Func<bool> IsStale { get; set; } = () => false;

    /// <summary>A unique key that the transaction inserts, or null.</summary>
    public object? NewKey { get; set; }

    /// <summary>Checks for conflicts, which throw <see cref="ConflictException" />.</summary>
    public List<Action> Checks { get; } = [];

    /// <summary>The changes of entities.</summary>
    public List<Action> Changes { get; } = [];

    /// <summary>The statements that run after the changes of all units.</summary>
    public List<Action> Statements { get; } = [];

    /// <summary>The rows that the commit locks.</summary>
    public IEnumerable<Guid> Locked =>
        new[] { Row, InboxId ?? Consumed?.MessageId }.OfType<Guid>();
}
