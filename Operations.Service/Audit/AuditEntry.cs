namespace Operations;

/// <summary>A line of the audit trail, which is never changed or deleted.</summary>
sealed class AuditEntry
{
    /// <summary>The key, in the order of the lines.</summary>
    public long EntryId { get; init; }

    /// <summary>The same for the lines about the beginning and the end of one action.</summary>
    public required Guid ActionId { get; init; }

    /// <summary>When the line was written.</summary>
    public required DateTime Time { get; init; }

    /// <summary>Who has asked for the action.</summary>
    public required string Operator { get; init; }

    /// <summary>The method of the API.</summary>
    public required string Action { get; init; }

    /// <summary>What it was applied to.</summary>
    public required string Target { get; init; }

    /// <summary>Why the operator has asked for it.</summary>
    public required string Reason { get; init; }

    /// <summary>How far the action has come.</summary>
    public required AuditOutcome Outcome { get; init; }

    /// <summary>How many orders or messages were changed.</summary>
    public required long Count { get; init; }

    /// <summary>Why the action has failed, or null.</summary>
    public string? Detail { get; init; }
}
