namespace Contracts;

/// <summary>Event of Account: the order's total is held.</summary>
/// <param name="OrderId">The order.</param>
public sealed record FundsReserved(Guid OrderId);
