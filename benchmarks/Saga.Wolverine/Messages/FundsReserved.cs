namespace Saga.Wolverine;

/// <summary>The funds of an order are reserved.</summary>
public sealed record FundsReserved(Guid OrderId);
