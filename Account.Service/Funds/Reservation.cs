using Contracts;

namespace Accounts;

/// <summary>The fate of one order's funds. Kept for ever: it is the memory that outlives the inbox.</summary>
public sealed class Reservation
{
    /// <summary>The order; there is one reservation for each.</summary>
    public required Guid OrderId { get; init; }

    /// <summary>The account that pays, or would have paid.</summary>
    public required Guid AccountId { get; init; }

    /// <summary>The order's total; zero if the release came first.</summary>
    public required decimal Amount { get; init; }

    /// <summary>Three capital letters: the order's currency.</summary>
    public required string Currency { get; init; }

    /// <summary>How it stands.</summary>
    public required ReservationStatus Status { get; set; }

    /// <summary>Why nothing is held, if it was rejected.</summary>
    public RejectionReason? Reason { get; init; }

    /// <summary>When it was decided first.</summary>
    public required DateTime CreateTime { get; init; }

    /// <summary>When its status last changed.</summary>
    public required DateTime UpdateTime { get; set; }
}

/// <summary>How a reservation stands.</summary>
public enum ReservationStatus
{
    /// <summary>The amount is held.</summary>
    Held = 1,

    /// <summary>The amount is spent.</summary>
    Captured = 2,

    /// <summary>The amount was given back, or never held because the release came first.</summary>
    Released = 3,

    /// <summary>Nothing was held, for a reason.</summary>
    Rejected = 4,
}
