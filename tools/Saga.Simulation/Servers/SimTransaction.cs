namespace Saga.Simulation;

/// <summary>The changes of a transaction; the commit runs all checks, then applies all changes.</summary>
sealed class SimTransaction
{
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

    /// <summary>Checks for conflicts, which throw <see cref="ConflictException" />.</summary>
    public List<Action> Checks { get; } = [];

    public List<Action> Changes { get; } = [];

    public bool IsCommitted { get; set; }
}
