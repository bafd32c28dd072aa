namespace Contracts;

/// <summary>Event of Order: the order is over, because its account could not pay.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Reason">Why.</param>
public sealed record OrderRejected(Guid OrderId, RejectionReason Reason);
