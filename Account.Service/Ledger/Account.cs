namespace Accounts;

/// <summary>An account in one currency. Every change of its balances creates a ledger entry.</summary>
public sealed class Account
{
    /// <summary>Creates an account with zero balances.</summary>
    public Account()
    {
    }

    internal Account(decimal available, decimal held, decimal captured) =>
        (Available, Held, Captured) = (available, held, captured);

    /// <summary>The account's id.</summary>
    public required Guid AccountId { get; init; }

    /// <summary>The currency of all balances: three capital letters.</summary>
    public required string Currency { get; init; }

    /// <summary>Who may see the account and spend from it; null if it was opened without authentication.</summary>
    public string? Owner { get; init; }

    /// <summary>Who opened the account: a subject; null if it was opened without authentication.</summary>
    public string? OpenedBy { get; init; }

    /// <summary>The money that can be spent.</summary>
    public decimal Available { get; private set; }

    /// <summary>The money reserved for orders that are not decided yet.</summary>
    public decimal Held { get; private set; }

    /// <summary>The money spent on confirmed orders.</summary>
    public decimal Captured { get; private set; }

    /// <summary>The client's id of the OpenAccount request, or null.</summary>
    public Guid? RequestId { get; init; }

    /// <summary>The time at which the account was opened.</summary>
    public required DateTime CreateTime { get; init; }

    /// <summary>The time of the last change of a balance.</summary>
    public required DateTime UpdateTime { get; set; }

    /// <summary>Adds money to the available balance.</summary>
    public LedgerEntry Deposit(decimal amount, Guid? requestId, string? depositedBy, DateTime now) =>
        Change(Available + amount, Held, Captured, EntryKind.Deposit, amount, null, now, requestId, depositedBy);

    internal LedgerEntry Hold(Guid orderId, decimal amount, DateTime now) =>
        Change(Available - amount, Held + amount, Captured, EntryKind.Hold, amount, orderId, now);

    internal LedgerEntry Release(Guid orderId, decimal amount, DateTime now) =>
        Change(Available + amount, Held - amount, Captured, EntryKind.Release, amount, orderId, now);

    internal LedgerEntry Capture(Guid orderId, decimal amount, DateTime now) =>
        Change(Available, Held - amount, Captured + amount, EntryKind.Capture, amount, orderId, now);

    /// <summary>Sets the balances and returns the entry; throws and changes nothing if one would be negative.</summary>
    /// <remarks>The clocks of replicas differ, but the times of an account's entries must increase.</remarks>
    LedgerEntry Change(decimal available, decimal held, decimal captured,
        EntryKind kind, decimal amount, Guid? orderId, DateTime now, Guid? requestId = null, string? depositedBy = null)
    {
        if (available < 0 || held < 0)
            throw new InvalidOperationException(
                $"a balance of the account would be negative after the {kind} for order {orderId}");
        UpdateTime = now > UpdateTime ? now : UpdateTime.AddMicroseconds(1);
        (Available, Held, Captured) = (available, held, captured);
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
            DepositedBy = depositedBy,
            CreateTime = UpdateTime,
        };
    }
}
