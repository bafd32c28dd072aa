namespace Contracts;

/// <summary>
/// Event of Order: the order is confirmed. Account captures the funds that it holds for the order, and answers
/// <see cref="OrdersCaptured" />. Order sends the event again, only to Account, until it has the answer. Idempotent by
/// order id.
/// </summary>
/// <param name="OrderId">The order.</param>
/// <param name="AccountId">The paying account.</param>
public sealed record OrderConfirmed(Guid OrderId, Guid AccountId);
