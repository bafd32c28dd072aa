namespace Saga.Wolverine;

/// <summary>An order is confirmed: its funds can be captured.</summary>
public sealed record OrderConfirmed(Guid OrderId);
