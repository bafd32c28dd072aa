namespace Saga.Wolverine;

/// <summary>Asks Account to reserve the total of an order.</summary>
public sealed record ReserveFunds(Guid OrderId, Guid AccountId, decimal Amount);
