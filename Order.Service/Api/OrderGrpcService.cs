using Grpc.Core;
using Messaging.Postgres;
using Messaging.Postgres.Sagas;
using Microsoft.AspNetCore.Authorization;
using Microsoft.EntityFrameworkCore;
using Orders.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The API of <c>proto/orders/v1/orders.proto</c>, which documents the methods.</summary>
sealed class OrderGrpcService(
    OrderDbContext db,
    IUnitOfWork<OrderDbContext> unitOfWork,
    ISagaEvents<OrderState> saga,
    OrderStateMachine machine,
    OrderList list,
    OrderStream stream,
    OrderNotifier notifier,
    AdmissionControl admission,
    KnownRequests knownRequests,
    Callers callers,
    TimeProvider time) : OrderService.OrderServiceBase
{
    static readonly TimeSpan UpgradeRetryDelay = TimeSpan.FromSeconds(1);

    [Authorize(Scopes.WriteOrders)]
    public override async Task<CreateOrderResponse> CreateOrder(CreateOrderRequest request, ServerCallContext context)
    {
        var newOrder = NewOrder.Read(request, callers.Of(context));
        var order = newOrder.ToOrder(time.UtcNow());
        OrderSpanTag.Set(order.CorrelationId);
        using var call = admission.Admit(order.CorrelationId, order.Owner, out var rejection);
        if (call == null)
            return await FindRepeatedAsync(newOrder, context.CancellationToken) ?? throw Reject(rejection!);
        // The commit cannot be cancelled, but nobody waits for it any more: others can be admitted.
        await using var abandoned = context.CancellationToken.Register(call.Dispose);
        try
        {
            // The saga's first step is part of this commit: the order, its ReserveFunds command and its timeout.
            db.Add(order);
            await saga.Raise(order, machine.OrderSubmitted, new OrderSubmitted(order.CorrelationId),
                context.CancellationToken);
            await LostConnection.RepeatAsync(() => unitOfWork.CommitAsync(context.CancellationToken));
            call.Committed();
            return new CreateOrderResponse { OrderId = order.CorrelationId.ToString() };
        }
        catch (DbUpdateException e) when (PostgresErrors.ViolatedConstraint(e) == OrderStateMap.OrderKey)
        {
            // The id is new, so it is this call that has committed the order, although its connection was lost.
            call.Committed();
            return new CreateOrderResponse { OrderId = order.CorrelationId.ToString() };
        }
        catch (DbUpdateException e) when (PostgresErrors.ViolatedConstraint(e) == OrderStateMap.RequestIdKey)
        {
            db.ChangeTracker.Clear();
            return await FindRepeatedAsync(newOrder, context.CancellationToken)
                ?? throw new InvalidOperationException(
                    $"request {newOrder.RequestId} is known, but its order is not", e);
        }
    }

    static RpcException Reject(Rejection rejection)
    {
        OrderMetrics.Rejected(rejection);
        return rejection.ToException();
    }

    /// <summary>Returns the response to a request whose order exists; null if there is no such order.</summary>
    async Task<CreateOrderResponse?> FindRepeatedAsync(NewOrder newOrder, CancellationToken cancellationToken) =>
        newOrder.Remembered is { } requestId
            && await knownRequests.FindOrderAsync(requestId, cancellationToken) is { } orderId
            ? AnswerRepeated(newOrder, await FindAsync(orderId, newOrder.Caller, cancellationToken))
            : null;

    static CreateOrderResponse AnswerRepeated(NewOrder newOrder, OrderState first) => newOrder.IsSameAs(first)
        ? new CreateOrderResponse { OrderId = first.CorrelationId.ToString() }
        : throw RpcErrors.AlreadyExists("REQUEST_ID_REUSED", "request", newOrder.RequestId!.Value,
            $"request {newOrder.RequestId} created order {first.CorrelationId} with other content");

    [Authorize(Scopes.ReadOrders)]
    public override async Task<Order> GetOrder(GetOrderRequest request, ServerCallContext context)
    {
        var orderId = ReadId(request.OrderId);
        return (await FindAsync(orderId, callers.Of(context), context.CancellationToken)).ToProto();
    }

    [Authorize(Scopes.ReadOrders)]
    public override Task WatchOrder(
        WatchOrderRequest request, IServerStreamWriter<Order> responseStream, ServerCallContext context) =>
        stream.WriteAsync(ReadId(request.OrderId), callers.Of(context), responseStream, context.CancellationToken);

    [Authorize(Scopes.ReadOrders)]
    public override Task<ListOrdersResponse> ListOrders(ListOrdersRequest request, ServerCallContext context) =>
        list.ReadAsync(request, callers.Of(context), context.CancellationToken);

    [Authorize(Scopes.WriteOrders)]
    public override Task<Order> CancelOrder(CancelOrderRequest request, ServerCallContext context)
    {
        var orderId = ReadId(request.OrderId);
        var caller = callers.Of(context);
        return LostConnection.RepeatAsync(() => CancelAsync(orderId, caller, context.CancellationToken));
    }

    async Task<Order> CancelAsync(Guid orderId, Caller caller, CancellationToken cancellationToken)
    {
        db.ChangeTracker.Clear(); // of a first attempt
        // Nobody can lock what others own.
        await FindAsync(orderId, caller, cancellationToken);
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var order = await db.Orders.FromSql($"select *, xmin from orders where order_id = {orderId} for update")
            .SingleOrDefaultAsync(cancellationToken) ?? await FindAsync(orderId, caller, cancellationToken);
        if (order.CurrentState == nameof(OrderStateMachine.Cancelled))
            return order.ToProto(); // a repeated call
        var status = OrderMapping.ToStatus(order.CurrentState);
        if (status == OrderStatus.Unspecified)
            throw RpcErrors.Unavailable("NEWER_STATE", $"order {orderId} is {order.CurrentState.ToUpperInvariant()}, "
                + "a state of a newer build: retry, because another replica may know it", UpgradeRetryDelay);
        if (status.IsTerminal())
            throw RpcErrors.FailedPrecondition("ORDER_IS_TERMINAL", $"orders/{orderId}",
                $"order {orderId} is {order.CurrentState.ToUpperInvariant()} and can no longer be cancelled");

        await saga.Raise(order, machine.CancellationRequested, new CancellationRequested(orderId, caller.Subject),
            cancellationToken);
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        notifier.Committed(order);
        return order.ToProto();
    }

    static Guid ReadId(string orderId)
    {
        var id = FieldViolations.ReadId(orderId, "order_id");
        OrderSpanTag.Set(id);
        return id;
    }

    Task<OrderState> FindAsync(Guid orderId, Caller caller, CancellationToken cancellationToken) =>
        db.FindOrderAsync(orderId, caller, cancellationToken);
}
