namespace Orders;

/// <summary>
/// One transition of an order. A trigger writes it with the change of the order (record_order_transitions.sql), and
/// another rejects updates and deletes (order_transitions_are_append_only.sql).
/// </summary>
public sealed class OrderTransition
{
    /// <summary>The order.</summary>
    public Guid OrderId { get; init; }

    /// <summary>Increases with the transitions of an order; it has gaps.</summary>
    public long Sequence { get; init; }

    /// <summary>The time of the transition, by the database's clock.</summary>
    public DateTime Time { get; init; }

    /// <summary>The state before; null if the order is new.</summary>
    public string? FromState { get; init; }

    /// <summary>
    /// The state after; the same as before if the order has sent a command again, or its funds are captured.
    /// </summary>
    public required string ToState { get; init; }

    /// <summary>The event that caused it; null if a build that did not record events has made it.</summary>
    public string? Event { get; init; }

    /// <summary>The reason for a rejection or cancellation, by its name.</summary>
    public string? Reason { get; init; }
}
