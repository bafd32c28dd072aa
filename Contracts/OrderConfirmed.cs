namespace Contracts;

/// <summary>Event of Order: the order is confirmed; Account captures what it holds for it.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="AccountId">The account that pays.</param>
public sealed record OrderConfirmed(Guid OrderId, Guid AccountId);
