namespace Orders;

/// <summary>Event inside Order: the order is accepted.</summary>
/// <param name="OrderId">The order.</param>
public sealed record OrderSubmitted(Guid OrderId);

/// <summary>Event inside Order: the client gives the order up.</summary>
/// <param name="OrderId">The order.</param>
public sealed record CancellationRequested(Guid OrderId);

/// <summary>Event inside Order: the time for reserving the order's funds is over.</summary>
/// <param name="OrderId">The order.</param>
public sealed record ReservationTimedOut(Guid OrderId);
