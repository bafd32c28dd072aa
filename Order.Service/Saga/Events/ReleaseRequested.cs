namespace Orders;

/// <summary>
/// Internal event of Order: an operator has found that Account holds funds for the order, which does not need them.
/// </summary>
/// <param name="OrderId">The order.</param>
public sealed record ReleaseRequested(Guid OrderId);
