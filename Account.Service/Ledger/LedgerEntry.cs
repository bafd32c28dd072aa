namespace Accounts;

/// <summary>
/// One change of an account's balances. A trigger in the database rejects updates and deletes
/// (ledger_is_append_only.sql).
/// </summary>
public sealed class LedgerEntry
{
    /// <summary>The id; the ids of an account's entries increase with time.</summary>
    public long EntryId { get; init; }

    /// <summary>The account.</summary>
    public required Guid AccountId { get; init; }

    /// <summary>The order, or null for a deposit.</summary>
    public required Guid? OrderId { get; init; }

    /// <summary>The kind of the change.</summary>
    public required EntryKind Kind { get; init; }

    /// <summary>The moved amount; never negative.</summary>
    public required decimal Amount { get; init; }

    /// <summary>The account's available balance after the change.</summary>
    public required decimal AvailableAfter { get; init; }

    /// <summary>The account's held balance after the change.</summary>
    public required decimal HeldAfter { get; init; }

    /// <summary>The account's captured balance after the change.</summary>
    public required decimal CapturedAfter { get; init; }

    /// <summary>The client's id of the deposit request, or null.</summary>
    public Guid? RequestId { get; init; }

    /// <summary>Who deposited: a subject; null without authentication, and for other kinds.</summary>
    public string? DepositedBy { get; init; }

    /// <summary>The time of the change.</summary>
    public required DateTime CreateTime { get; init; }
}
