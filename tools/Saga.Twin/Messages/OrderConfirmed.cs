namespace Saga.Twin;

/// <summary>Order to Account: an order is confirmed, so its reservation is captured.</summary>
sealed record OrderConfirmed(Guid OrderId);
