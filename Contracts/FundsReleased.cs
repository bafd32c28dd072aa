namespace Contracts;

/// <summary>Event of Account: no funds are held for the order, and none will be.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Amount">The released amount, in the order's currency; zero if nothing was held.</param>
public sealed record FundsReleased(Guid OrderId, decimal Amount);
