namespace Contracts;

/// <summary>
/// Command to Account: release the funds held for the order, and never hold any for it again. A release that arrives
/// before <see cref="ReserveFunds" /> wins: the later reservation holds nothing. Idempotent by order id.
/// </summary>
/// <param name="OrderId">The order.</param>
/// <param name="AccountId">The account of the order.</param>
/// <param name="Currency">The order's currency: three capital letters.</param>
public sealed record ReleaseFunds(Guid OrderId, Guid AccountId, string Currency);
