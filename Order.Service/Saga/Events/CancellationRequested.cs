namespace Orders;

/// <summary>Internal event of Order: the client cancels the order.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Caller">The subject of the client's token; null without authentication.</param>
public sealed record CancellationRequested(Guid OrderId, string? Caller);
