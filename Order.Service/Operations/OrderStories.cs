using Google.Protobuf.WellKnownTypes;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Operations.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The method GetOrderStory.</summary>
sealed class OrderStories(OrderDbContext db, IOptions<SagaOptions> options, DatabaseClock<OrderDbContext> time)
{
    /// <summary>Reads an order and what is recorded about it.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT; NOT_FOUND: the order does not exist.</exception>
    public async Task<OrderStory> ReadAsync(GetOrderStoryRequest request, CancellationToken cancellationToken)
    {
        var orderId = FieldViolations.ReadId(request.OrderId, "order_id");
        OrderSpanTag.Set(orderId);
        var order = await db.FindOrderAsync(orderId, Caller.Anybody, cancellationToken);
        var transitions = await db.AllOrderTransitions.Where(x => x.OrderId == orderId)
            .OrderBy(x => x.Sequence).ToListAsync(cancellationToken);
        return new OrderStory
        {
            Order = ToRecord(order),
            Transitions = { transitions.Select(ToProto) },
            PendingMessages = { await PendingMessages.FindAsync(db, orderId, cancellationToken) },
            Wait = ToWait(order),
        };
    }

    static OrderRecord ToRecord(OrderState order) => new()
    {
        OrderId = $"{order.CorrelationId}",
        AccountId = $"{order.AccountId}",
        State = order.CurrentState,
        Reason = order.Reason?.ToString() ?? "",
        Total = Money.ToProto(order.Total, order.Currency),
        CreateTime = order.CreateTime.ToTimestamp(),
        UpdateTime = order.UpdateTime.ToTimestamp(),
        RequestId = order.RequestId?.ToString() ?? "",
        PlacedBy = order.PlacedBy ?? "",
        CancelledBy = order.CancelledBy ?? "",
    };

    static Transition ToProto(OrderTransition transition) => new()
    {
        Time = transition.Time.ToTimestamp(),
        FromState = transition.FromState ?? "",
        ToState = transition.ToState,
        Event = transition.Event ?? "",
        Reason = transition.Reason ?? "",
    };

    Wait? ToWait(OrderState order) => AwaitedAnswer.Of(order.CurrentState, order.ResendTime) is not { } answer ? null
        : new Wait
        {
            Message = answer.Message,
            Queue = answer.Queue,
            Since = order.UpdateTime.ToTimestamp(),
            ResendTime = order.ResendTime?.ToTimestamp(),
            IsStuck = time.UtcNow() - order.UpdateTime > options.Value.ResendDelay,
        };
}
