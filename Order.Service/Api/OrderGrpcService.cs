using Grpc.Core;
using Messaging.Postgres;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Orders.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The API of proto/orders/v1/orders.proto, which says what its methods promise.</summary>
sealed class OrderGrpcService(
    OrderDbContext db,
    IUnitOfWork<OrderDbContext> unit,
    ISagaEvents<OrderState> saga,
    OrderStateMachine machine,
    OrderWatcher watcher,
    AdmissionControl admission,
    IHostApplicationLifetime lifetime,
    TimeProvider time) : OrderService.OrderServiceBase
{
    public override async Task<CreateOrderResponse> CreateOrder(CreateOrderRequest request, ServerCallContext context)
    {
        var wanted = NewOrder.Read(request);
        var order = wanted.ToOrder(time.UtcNow());
        using var admitted = admission.Admit(order.CorrelationId);
        try
        {
            // The saga's first step is taken in the RPC's own commit: the order, its command and its timeout are one.
            db.Add(order);
            await saga.Raise(order, machine.OrderSubmitted, new OrderSubmitted(order.CorrelationId), context.CancellationToken);
            await unit.CommitAsync(context.CancellationToken);
            admitted.Made();
            return new CreateOrderResponse { OrderId = order.CorrelationId.ToString() };
        }
        catch (DbUpdateException e) when (wanted.RequestId != null && PostgresErrors.ViolatedConstraint(e) == OrderStateMap.RequestIdKey)
        {
            db.ChangeTracker.Clear();
            var first = await db.Orders.AsNoTracking().SingleAsync(x => x.RequestId == wanted.RequestId, context.CancellationToken);
            return wanted.IsSameAs(first)
                ? new CreateOrderResponse { OrderId = first.CorrelationId.ToString() }
                : throw RpcErrors.AlreadyExists("request", wanted.RequestId!.Value,
                    $"request {wanted.RequestId} made order {first.CorrelationId}, with other content");
        }
    }

    public override async Task<Order> GetOrder(GetOrderRequest request, ServerCallContext context) =>
        (await Find(FieldViolations.ReadId(request.OrderId, "order_id"), context.CancellationToken)).ToProto();

    public override async Task WatchOrder(WatchOrderRequest request, IServerStreamWriter<Order> responseStream, ServerCallContext context)
    {
        var id = FieldViolations.ReadId(request.OrderId, "order_id");
        // A service that stops does not wait for its watchers; they watch again elsewhere.
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        using var changes = await watcher.WatchAsync(id, context.CancellationToken);
        var order = (await Find(id, context.CancellationToken)).ToProto();
        await responseStream.WriteAsync(order, context.CancellationToken);
        while (!order.Status.IsTerminal())
        {
            var change = await changes.Next(end.Token);
            if (change == null)
            {
                // The watcher may have missed something: what the database says now is a change or is none.
                var current = (await Find(id, end.Token)).ToProto();
                if (current.Status == order.Status)
                    continue;
                order = current;
            }
            else if (!change.ApplyTo(order))
            {
                continue;
            }

            await responseStream.WriteAsync(order, end.Token);
        }
    }

    public override async Task<ListOrdersResponse> ListOrders(ListOrdersRequest request, ServerCallContext context)
    {
        var violations = new FieldViolations();
        var accountId = violations.OptionalId(request.AccountId, "account_id");
        var states = OrderMapping.ToStates(request.Status);
        if (states.Length == 0 && request.Status != OrderStatus.Unspecified)
            violations.Add("status", "must be a status of an order");
        var size = violations.PageSize(request.PageSize);
        var filter = $"{accountId}/{request.Status}";
        var after = violations.PageToken<Guid>(request.PageToken, filter);
        violations.ThrowIfAny();

        var query = db.Orders.AsNoTracking();
        if (accountId != null)
            query = query.Where(x => x.AccountId == accountId);
        if (states.Length > 0)
            query = query.Where(x => states.Contains(x.CurrentState));
        if (after is { } last)
            query = query.Where(x => x.CorrelationId < last);
        var page = await query.OrderByDescending(x => x.CorrelationId).Take(size + 1).ToListAsync(context.CancellationToken);
        var more = page.Count > size;
        return new ListOrdersResponse
        {
            Orders = { page.Take(size).Select(x => x.ToProto()) },
            NextPageToken = more ? new PageToken(page[size - 1].CorrelationId.ToString()).ToString(filter) : "",
        };
    }

    public override async Task<Order> CancelOrder(CancelOrderRequest request, ServerCallContext context)
    {
        var id = FieldViolations.ReadId(request.OrderId, "order_id");
        await using var transaction = await db.Database.BeginTransactionAsync(context.CancellationToken);
        var order = await db.Orders.FromSql($"select *, xmin from orders where order_id = {id} for update")
            .SingleOrDefaultAsync(context.CancellationToken) ?? throw RpcErrors.NotFound("order", id);
        if (OrderMapping.ToStatus(order.CurrentState).IsTerminal())
            throw RpcErrors.FailedPrecondition("ORDER_IS_TERMINAL", $"orders/{id}",
                $"order {id} is {order.CurrentState.ToUpperInvariant()} and cannot be cancelled any more");

        await saga.Raise(order, machine.CancellationRequested, new CancellationRequested(id), context.CancellationToken);
        await db.SaveChangesAsync(context.CancellationToken);
        await transaction.CommitAsync(context.CancellationToken);
        return order.ToProto();
    }

    async Task<OrderState> Find(Guid id, CancellationToken cancellationToken) =>
        await db.Orders.AsNoTracking().SingleOrDefaultAsync(x => x.CorrelationId == id, cancellationToken)
        ?? throw RpcErrors.NotFound("order", id);
}
