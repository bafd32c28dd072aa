namespace Contracts;

/// <summary>Event of Order: the order is rejected, because its account could not pay.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Reason">The reason for the rejection.</param>
public sealed record OrderRejected(Guid OrderId, RejectionReason Reason);
