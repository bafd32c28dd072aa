namespace Contracts;

/// <summary>
/// Command to Account: hold nothing for the order from here on, and give back what is held. If it comes before
/// <see cref="ReserveFunds" />, that one will hold nothing. Idempotent by order id.
/// </summary>
/// <param name="OrderId">The order.</param>
/// <param name="AccountId">The account that would have paid.</param>
/// <param name="Currency">Three capital letters: the order's currency.</param>
public sealed record ReleaseFunds(Guid OrderId, Guid AccountId, string Currency);
