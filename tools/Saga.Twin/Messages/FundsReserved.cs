namespace Saga.Twin;

/// <summary>Account to Order: an order's total is reserved.</summary>
sealed record FundsReserved(Guid OrderId);
