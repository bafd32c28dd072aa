namespace Saga.Wolverine;

/// <summary>The funds of an order are captured.</summary>
public sealed record FundsCaptured(Guid OrderId);
