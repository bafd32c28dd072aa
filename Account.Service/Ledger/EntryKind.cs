namespace Accounts;

/// <summary>The kind of a ledger entry.</summary>
public enum EntryKind
{
    /// <summary>From outside to the available balance.</summary>
    Deposit = 1,

    /// <summary>From the available to the held balance.</summary>
    Hold = 2,

    /// <summary>From the held back to the available balance.</summary>
    Release = 3,

    /// <summary>From the held to the captured balance.</summary>
    Capture = 4,
}
