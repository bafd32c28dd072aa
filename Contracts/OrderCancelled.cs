namespace Contracts;

/// <summary>Event of Order: the order is cancelled, and no funds are held for it.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="TimedOut">True if the reservation timed out, false if the client cancelled the order.</param>
public sealed record OrderCancelled(Guid OrderId, bool TimedOut);
