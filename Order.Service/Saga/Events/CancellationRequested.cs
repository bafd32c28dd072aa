namespace Orders;

/// <summary>Internal event of Order: the client cancels the order.</summary>
/// <param name="OrderId">The order.</param>
public sealed record CancellationRequested(Guid OrderId);
