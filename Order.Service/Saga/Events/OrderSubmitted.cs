namespace Orders;

/// <summary>Internal event of Order: the order is accepted.</summary>
/// <param name="OrderId">The order.</param>
public sealed record OrderSubmitted(Guid OrderId);
