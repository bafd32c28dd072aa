using MassTransit;

namespace Orders;

/// <summary>An order, which is also the saga instance: one row from the request to the terminal status.</summary>
public sealed class OrderState : SagaStateMachineInstance
{
    /// <summary>The order's id, a UUID of version 7: ids increase with time.</summary>
    public Guid CorrelationId { get; set; }

    /// <summary>The name of the current state of <see cref="OrderStateMachine" />.</summary>
    public string CurrentState { get; set; } = "Initial";

    /// <summary>The paying account.</summary>
    public required Guid AccountId { get; init; }

    /// <summary>The ordered items.</summary>
    public required IReadOnlyList<OrderLine> Items { get; init; }

    /// <summary>The sum over the items, in the currency's unit.</summary>
    public required decimal Total { get; init; }

    /// <summary>The currency of all prices: three capital letters.</summary>
    public required string Currency { get; init; }

    /// <summary>Who may see the order; null if it was placed without authentication.</summary>
    public string? Owner { get; init; }

    /// <summary>Who placed the order: a subject; null if it was placed without authentication.</summary>
    public string? PlacedBy { get; init; }

    /// <summary>Who cancelled the order: a subject; null if no client did.</summary>
    public string? CancelledBy { get; set; }

    /// <summary>The id under which the client's request is remembered, or null.</summary>
    public Guid? RequestId { get; init; }

    /// <summary>The reason for a rejection or cancellation; null for any other order.</summary>
    public OrderReason? Reason { get; set; }

    /// <summary>The time at which the order was accepted.</summary>
    public required DateTime CreateTime { get; init; }

    /// <summary>The time of the last status change.</summary>
    public required DateTime UpdateTime { get; set; }

    /// <summary>
    /// The token of the scheduled timeout, or null if none is scheduled. A timeout with another token is stale.
    /// </summary>
    public Guid? TimeoutToken { get; set; }

    /// <summary>
    /// The time at which the saga asks Account again, or null if it waits for no answer. A Confirmed order waits until
    /// Account has captured its funds.
    /// </summary>
    public DateTime? ResendTime { get; set; }

    /// <summary>The event that the order has handled last; null for orders of builds that did not record it.</summary>
    public string? LastEvent { get; set; }

    /// <summary>
    /// The concurrency token, PostgreSQL's <c>xmin</c>: an update based on a stale read fails and is retried.
    /// </summary>
    public uint Version { get; init; }
}
