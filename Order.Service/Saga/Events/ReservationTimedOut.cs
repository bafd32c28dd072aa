namespace Orders;

/// <summary>Internal event of Order: Account has not reserved the order's funds in time.</summary>
/// <param name="OrderId">The order.</param>
public sealed record ReservationTimedOut(Guid OrderId);
