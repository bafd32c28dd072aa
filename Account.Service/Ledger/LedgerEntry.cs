namespace Accounts;

/// <summary>One change of an account's balances. The database refuses to change or delete it.</summary>
public sealed class LedgerEntry
{
    /// <summary>Later entries of an account have greater ids.</summary>
    public long EntryId { get; init; }

    /// <summary>The account.</summary>
    public required Guid AccountId { get; init; }

    /// <summary>The order, or null for a deposit.</summary>
    public required Guid? OrderId { get; init; }

    /// <summary>What happened.</summary>
    public required EntryKind Kind { get; init; }

    /// <summary>How much moved; never negative.</summary>
    public required decimal Amount { get; init; }

    /// <summary>The account's available balance after this.</summary>
    public required decimal AvailableAfter { get; init; }

    /// <summary>The account's held balance after this.</summary>
    public required decimal HeldAfter { get; init; }

    /// <summary>The account's captured balance after this.</summary>
    public required decimal CapturedAfter { get; init; }

    /// <summary>What the caller named the deposit, or null.</summary>
    public Guid? RequestId { get; init; }

    /// <summary>When.</summary>
    public required DateTime CreateTime { get; init; }
}

/// <summary>What a ledger entry records.</summary>
public enum EntryKind
{
    /// <summary>Money came in.</summary>
    Deposit = 1,

    /// <summary>From available to held.</summary>
    Hold = 2,

    /// <summary>From held back to available.</summary>
    Release = 3,

    /// <summary>From held to captured.</summary>
    Capture = 4,
}
