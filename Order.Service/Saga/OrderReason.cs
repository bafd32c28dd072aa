namespace Orders;

/// <summary>The reason why an order is rejected or cancelled.</summary>
public enum OrderReason
{
    /// <summary>The account's available balance is less than the order's total.</summary>
    InsufficientFunds = 1,

    /// <summary>The account does not exist.</summary>
    AccountNotFound = 2,

    /// <summary>The account's currency differs from the order's.</summary>
    CurrencyMismatch = 3,

    /// <summary>Account did not reserve the funds in time.</summary>
    TimedOut = 4,

    /// <summary>The client cancelled the order.</summary>
    CancelledByClient = 5,

    /// <summary>
    /// Order had lost the order, and an operator had the funds released that Account still held for it.
    /// </summary>
    CancelledByOperator = 6,
}
