namespace Saga.Twin;

/// <summary>Order to Account: reserve an order's total on an account.</summary>
sealed record ReserveFunds(Guid OrderId, Guid AccountId, decimal Amount);
