namespace Contracts;

/// <summary>Event of Order: the order is over, and nothing is held for it.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="TimedOut">True if the funds were not reserved in time, false if the client cancelled.</param>
public sealed record OrderCancelled(Guid OrderId, bool TimedOut);
