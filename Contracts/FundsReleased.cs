namespace Contracts;

/// <summary>Event of Account: nothing is held for the order, and nothing will be.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Amount">What was given back, in the order's currency; zero if nothing was held.</param>
public sealed record FundsReleased(Guid OrderId, decimal Amount);
