using System.Linq.Expressions;
using Google.Protobuf.WellKnownTypes;
using Microsoft.EntityFrameworkCore;
using Operations.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The methods ListOrderFacts and GetOrderFacts.</summary>
sealed class OrderFactList(OrderDbContext db)
{
    const int MaxOrders = 1000;

    /// <summary>Lists orders by id.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    /// <remarks>
    /// Ends before the millisecond of the given time: an id does not tell which of two orders of one millisecond is
    /// the older one, so a caller that continues after the last id would miss orders of that millisecond.
    /// </remarks>
    public async Task<ListOrderFactsResponse> ListAsync(
        ListOrderFactsRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var after = violations.OptionalId(request.AfterOrderId, "after_order_id") ?? Guid.Empty;
        var end = violations.OptionalTime(request.CreateTimeBefore, "create_time_before");
        var size = violations.Limit(request.PageSize, "page_size", MaxOrders);
        violations.ThrowIfAny();

        var query = db.Orders.AsNoTracking().Where(x => x.CorrelationId > after);
        if (end is { } before)
        {
            var first = OrderId.First(before);
            query = query.Where(x => x.CorrelationId < first);
        }

        return new ListOrderFactsResponse
        {
            Orders = { await ReadAsync(query.OrderBy(x => x.CorrelationId).Take(size), cancellationToken) },
        };
    }

    /// <summary>Reads orders by their ids.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public async Task<GetOrderFactsResponse> GetAsync(
        GetOrderFactsRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var ids = violations.Ids(request.OrderIds, "order_ids", MaxOrders);
        violations.ThrowIfAny();
        return new GetOrderFactsResponse
        {
            Orders =
            {
                await ReadAsync(db.AllOrders.Where(x => ids.Contains(x.CorrelationId))
                    .OrderBy(x => x.CorrelationId), cancellationToken),
            },
        };
    }

    static async Task<IEnumerable<OrderFacts>> ReadAsync(
        IQueryable<OrderState> orders, CancellationToken cancellationToken) =>
        (await orders.Select(Row).ToListAsync(cancellationToken)).Select(x => new OrderFacts
        {
            OrderId = $"{x.Id}",
            AccountId = $"{x.AccountId}",
            State = x.State,
            Total = Money.ToProto(x.Total, x.Currency),
            CreateTime = x.CreateTime.ToTimestamp(),
            UpdateTime = x.UpdateTime.ToTimestamp(),
            IsWaiting = AwaitedAnswer.Of(x.State, x.ResendTime) != null,
        });

    /// <summary>All but the items of an order, which can be long.</summary>
    static readonly Expression<Func<OrderState, Facts>> Row = x => new Facts(x.CorrelationId, x.AccountId,
        x.CurrentState, x.Total, x.Currency, x.CreateTime, x.UpdateTime, x.ResendTime);

    sealed record Facts(Guid Id, Guid AccountId, string State, decimal Total, string Currency, DateTime CreateTime,
        DateTime UpdateTime, DateTime? ResendTime);
}
