namespace Contracts;

/// <summary>The reason why a reservation holds no funds.</summary>
public enum RejectionReason
{
    /// <summary>The account's available balance is less than the order's total.</summary>
    InsufficientFunds = 1,

    /// <summary>The account does not exist.</summary>
    AccountNotFound = 2,

    /// <summary>The account's currency differs from the order's.</summary>
    CurrencyMismatch = 3,

    /// <summary>The release arrived before the reservation.</summary>
    Released = 4,
}
