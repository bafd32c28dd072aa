using Grpc.Core;
using Messaging.Postgres;
using Messaging.Postgres.Database;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Operations.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The method ReleaseHold.</summary>
/// <remarks>
/// Order does this, and not Account, because only Order can refuse it: whether an order needs its funds is decided
/// here, in the transaction that sends ReleaseFunds. A lost order is inserted again and cancelled by the saga. So its
/// primary key decides the race with whoever inserts the same order at this moment (I3), Account is asked until it has
/// answered, its answer finds an order (I9), a ReserveFunds that is still on its way holds nothing (I8), and the order
/// can be read and stays cancelled (I4 to I6). An order that is just being created has no hold yet, because
/// ReserveFunds leaves after its commit. So whoever has seen the hold before this call cannot mistake a new order for a
/// lost one.
/// </remarks>
sealed partial class HoldRelease(OrderDbContext db, ISagaEvents<OrderState> saga, OrderStateMachine machine,
    OrderNotifier notifier, DatabaseClock<OrderDbContext> time, ILogger<HoldRelease> log)
{
    /// <summary>Sends ReleaseFunds for an order that needs no funds.</summary>
    /// <exception cref="RpcException">
    /// INVALID_ARGUMENT, with all violations; FAILED_PRECONDITION: the order is open or confirmed, or another account
    /// pays it.
    /// </exception>
    public async Task<ReleaseHoldResponse> RunAsync(ReleaseHoldRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var orderId = violations.Id(request.OrderId, "order_id");
        var accountId = violations.Id(request.AccountId, "account_id");
        var amount = Money.ReadStored(request.Amount, "amount", violations);
        if (string.IsNullOrWhiteSpace(request.Reason))
            violations.Add("reason", "is missing");
        violations.ThrowIfAny();
        OrderSpanTag.Set(orderId);

        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var order = await db.Orders.FromSql($"select *, xmin from orders where order_id = {orderId} for update")
            .SingleOrDefaultAsync(cancellationToken)
            // An archived order is never changed: the event only sends its command.
            ?? await db.AllOrders.SingleOrDefaultAsync(x => x.CorrelationId == orderId, cancellationToken);
        var isLost = order == null;
        if (order == null)
            db.Add(order = NewLostOrder(orderId, accountId, amount!.Value));
        else if (order.CurrentState is not (nameof(OrderStateMachine.Rejected) or nameof(OrderStateMachine.Cancelled)))
            throw IsNeeded(orderId, $"order {orderId} is {order.CurrentState.ToUpperInvariant()}: it captures or "
                + "releases its funds itself");
        else if (order.AccountId != accountId)
            throw IsNeeded(orderId, $"order {orderId} is paid from another account");

        await saga.Raise(order, machine.ReleaseRequested, new ReleaseRequested(orderId), cancellationToken);
        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        catch (DbUpdateException e) when (PostgresErrors.ViolatedConstraint(e) == OrderStateMap.OrderKey)
        {
            throw IsNeeded(orderId, $"order {orderId} was inserted at this moment");
        }

        await transaction.CommitAsync(cancellationToken);
        if (isLost)
            notifier.Committed(order);
        LogReleases(orderId, order.CurrentState, request.Operator, request.Reason);
        return new ReleaseHoldResponse();
    }

    OrderState NewLostOrder(Guid orderId, Guid accountId, Money amount) => new()
    {
        CorrelationId = orderId,
        AccountId = accountId,
        Items = [],
        Total = amount.Amount,
        Currency = amount.Currency,
        CreateTime = OrderId.TimeOf(orderId), // exports and reports find an order by both
        UpdateTime = time.UtcNow(),
    };

    static RpcException IsNeeded(Guid orderId, string message) =>
        RpcErrors.FailedPrecondition("HOLD_IS_NEEDED", $"orders/{orderId}", message);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Order {OrderId} is {State}, and an operator has Account release the funds that it holds for it")]
    partial void LogReleases(
        Guid orderId, string state, [PersonalData] string @operator, [PersonalData] string reason);
}
