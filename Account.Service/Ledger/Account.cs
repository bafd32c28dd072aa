namespace Accounts;

/// <summary>An account of one currency. Its balances only change together with a ledger entry.</summary>
public sealed class Account
{
    /// <summary>A new account, with nothing in it.</summary>
    public Account()
    {
    }

    internal Account(decimal available, decimal held, decimal captured) =>
        (Available, Held, Captured) = (available, held, captured);

    /// <summary>The account's id.</summary>
    public required Guid AccountId { get; init; }

    /// <summary>Three capital letters.</summary>
    public required string Currency { get; init; }

    /// <summary>Can be spent.</summary>
    public decimal Available { get; private set; }

    /// <summary>Reserved for orders that are not decided yet.</summary>
    public decimal Held { get; private set; }

    /// <summary>Spent on confirmed orders.</summary>
    public decimal Captured { get; private set; }

    /// <summary>What the caller named the request, or null.</summary>
    public Guid? RequestId { get; init; }

    /// <summary>When the account was opened.</summary>
    public required DateTime CreateTime { get; init; }

    /// <summary>When a balance last changed.</summary>
    public required DateTime UpdateTime { get; set; }

    /// <summary>Adds money.</summary>
    public LedgerEntry Deposit(decimal amount, Guid? requestId, DateTime now) =>
        Become(Available + amount, Held, Captured, EntryKind.Deposit, amount, null, now, requestId);

    internal LedgerEntry Hold(Guid orderId, decimal amount, DateTime now) =>
        Become(Available - amount, Held + amount, Captured, EntryKind.Hold, amount, orderId, now);

    internal LedgerEntry Release(Guid orderId, decimal amount, DateTime now) =>
        Become(Available + amount, Held - amount, Captured, EntryKind.Release, amount, orderId, now);

    internal LedgerEntry Capture(Guid orderId, decimal amount, DateTime now) =>
        Become(Available, Held - amount, Captured + amount, EntryKind.Capture, amount, orderId, now);

    /// <summary>Takes the new balances, or throws and keeps the old ones.</summary>
    LedgerEntry Become(decimal available, decimal held, decimal captured, EntryKind kind, decimal amount, Guid? orderId, DateTime now, Guid? requestId = null)
    {
        if (available < 0 || held < 0)
            throw new InvalidOperationException($"account {AccountId} would go below zero by {kind} of {amount} for order {orderId}");
        (Available, Held, Captured, UpdateTime) = (available, held, captured, now);
        return new LedgerEntry
        {
            AccountId = AccountId,
            OrderId = orderId,
            Kind = kind,
            Amount = amount,
            AvailableAfter = Available,
            HeldAfter = Held,
            CapturedAfter = Captured,
            RequestId = requestId,
            CreateTime = now,
        };
    }
}
