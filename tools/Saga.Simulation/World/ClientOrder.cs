using Orders;

namespace Saga.Simulation;

/// <summary>A client's request for an order. The client repeats the request until it is acknowledged.</summary>
sealed record ClientOrder(Guid RequestId, Guid AccountId, decimal Total, string Currency)
{
    /// <summary>The id in the acknowledgement, or null before the first one.</summary>
    public Guid? AcknowledgedId { get; set; }

    public OrderState ToOrder(Guid id, DateTime now) => new()
    {
        CorrelationId = id,
        AccountId = AccountId,
        Items = [],
        Total = Total,
        Currency = Currency,
        RequestId = RequestId,
        CreateTime = now,
        UpdateTime = now,
    };

    public override string ToString() => $"request {RequestId:N} over {Total} {Currency}";
}
