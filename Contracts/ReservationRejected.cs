namespace Contracts;

/// <summary>Event of Account: nothing is held for the order, and nothing will be.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Reason">Why.</param>
public sealed record ReservationRejected(Guid OrderId, RejectionReason Reason);

/// <summary>Why a reservation holds nothing.</summary>
public enum RejectionReason
{
    /// <summary>The account's available balance was below the order's total.</summary>
    InsufficientFunds = 1,

    /// <summary>There is no such account.</summary>
    AccountNotFound = 2,

    /// <summary>The account holds another currency than the order's.</summary>
    CurrencyMismatch = 3,

    /// <summary>The reservation was released before it was made.</summary>
    Released = 4,
}
