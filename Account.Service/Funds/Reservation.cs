using Contracts;

namespace Accounts;

/// <summary>
/// The decision about the funds of one order. The row is never deleted, because the inbox detects duplicate messages
/// only within its window.
/// </summary>
public sealed class Reservation
{
    /// <summary>The order, which has at most one reservation.</summary>
    public required Guid OrderId { get; init; }

    /// <summary>The account of the order.</summary>
    public required Guid AccountId { get; init; }

    /// <summary>The order's total; zero if the release arrived before the reservation.</summary>
    public required decimal Amount { get; init; }

    /// <summary>The order's currency: three capital letters.</summary>
    public required string Currency { get; init; }

    /// <summary>The current status.</summary>
    public required ReservationStatus Status { get; set; }

    /// <summary>The reason for a rejection; null for any other status.</summary>
    public RejectionReason? Reason { get; init; }

    /// <summary>The time of the first decision.</summary>
    public required DateTime CreateTime { get; init; }

    /// <summary>The time of the last status change.</summary>
    public required DateTime UpdateTime { get; set; }
}
