namespace Contracts;

/// <summary>Event of Account: the reservation failed. No funds are held for the order, and none will be.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Reason">The reason for the rejection.</param>
public sealed record ReservationRejected(Guid OrderId, RejectionReason Reason);
