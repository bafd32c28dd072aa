namespace Saga.Wolverine;

/// <summary>The funds of an order.</summary>
public sealed class Reservation
{
    public Guid OrderId { get; init; }
    public Guid AccountId { get; init; }
    public decimal Amount { get; init; }

    /// <summary>Held or Captured.</summary>
    public string Status { get; set; } = AccountContext.Held;

    public DateTime CreateTime { get; init; }
    public DateTime UpdateTime { get; set; }
}
