namespace Contracts;

/// <summary>Command to Account: hold the order's total, or reject the reservation. Idempotent by order id.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="AccountId">The paying account.</param>
/// <param name="Amount">The order's total, in the currency's unit; at most four decimals.</param>
/// <param name="Currency">The order's currency: three capital letters.</param>
/// <param name="Owner">
/// The owner of the order, who must own the account; null in messages of Orders without authentication.
/// </param>
public sealed record ReserveFunds(
    Guid OrderId, Guid AccountId, decimal Amount, string Currency, string? Owner = null);
