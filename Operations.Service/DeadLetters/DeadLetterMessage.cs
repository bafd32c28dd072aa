using Operations.V1;

namespace Operations;

/// <summary>A message that has failed, was skipped, or is parked.</summary>
sealed record DeadLetterMessage
{
    /// <summary>Where it is and why.</summary>
    public required DeadLetterCause Cause { get; init; }

    /// <summary>Its own id, which it keeps when it is replayed; or its text if it is none.</summary>
    public required string MessageId { get; init; }

    /// <summary>The orders that it names.</summary>
    public required IReadOnlyList<Guid> OrderIds { get; init; }

    /// <summary>Why it failed.</summary>
    public required string Reason { get; init; }

    /// <summary>The stack trace of the failure; may be empty.</summary>
    public string StackTrace { get; init; } = "";

    /// <summary>The message as JSON, without its envelope, or its text if it cannot be read.</summary>
    public required string Body { get; init; }

    /// <summary>When it was sent, or null.</summary>
    public DateTime? SendTime { get; init; }

    /// <summary>When it failed or was parked; null for skipped messages.</summary>
    public DateTime? FailTime { get; init; }

    /// <summary>The id of its row in the outbox, if it is parked.</summary>
    public string PendingMessageId { get; init; } = "";

    /// <summary>The best known time.</summary>
    public DateTime? Time => FailTime ?? SendTime;
}
