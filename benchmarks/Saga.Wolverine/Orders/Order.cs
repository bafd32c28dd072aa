namespace Saga.Wolverine;

/// <summary>An order.</summary>
public sealed class Order
{
    public Guid OrderId { get; init; }
    public Guid AccountId { get; init; }
    public decimal Total { get; init; }

    /// <summary>Pending or Confirmed.</summary>
    public string CurrentState { get; init; } = OrderContext.Pending;

    public DateTime CreateTime { get; init; }

    /// <summary>When the order was confirmed.</summary>
    public DateTime? ConfirmTime { get; init; }

    /// <summary>When Account answered that the funds are captured.</summary>
    public DateTime? CaptureTime { get; init; }
}
