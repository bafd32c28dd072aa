using Orders;

namespace Saga.Simulation;

/// <summary>Order's database.</summary>
sealed class OrderDatabase(World world) : SimDatabase(world)
{
    readonly Dictionary<Guid, (OrderState Order, int Version)> _orders = [];
    readonly Dictionary<Guid, Guid> _orderOfRequest = [];

    public IEnumerable<OrderState> All => _orders.Values.Select(x => x.Order);

    /// <summary>The order that waits for an overdue answer for the longest time, or null.</summary>
    public Guid? FindOverdue(DateTime now) =>
        All.Where(x => x.ResendTime <= now).MinBy(x => x.ResendTime)?.CorrelationId;

    /// <summary>A copy of the order and its concurrency token; null if it does not exist.</summary>
    public (OrderState Order, int Version)? Find(Guid id) =>
        _orders.TryGetValue(id, out var x) ? (Copy(x.Order), x.Version) : null;

    /// <summary>The id of the order that a request created, or null.</summary>
    public Guid? FindByRequest(Guid requestId) => _orderOfRequest.TryGetValue(requestId, out var id) ? id : null;

    public void Insert(SimTransaction transaction, OrderState order)
    {
        (transaction.Row, transaction.NewKey) = (order.CorrelationId, order.RequestId);
        transaction.Checks.Add(() =>
        {
            if (order.RequestId is { } request && _orderOfRequest.ContainsKey(request))
                throw new ConflictException("the request has already created an order");
        });
        transaction.Changes.Add(() =>
        {
            _orders.Add(order.CorrelationId, (Copy(order), 1));
            if (order.RequestId is { } request)
                _orderOfRequest.Add(request, order.CorrelationId);
        });
    }

    /// <summary>
    /// Updates an order if it has changed. As in the production database, an unchanged row cannot conflict.
    /// </summary>
    /// <param name="transaction">The transaction.</param>
    /// <param name="order">The order after the change.</param>
    /// <param name="loaded">The order as it was loaded.</param>
    /// <param name="version">The concurrency token as it was loaded.</param>
    public void Update(SimTransaction transaction, OrderState order, OrderState loaded, int version)
    {
        if ((order.CurrentState, order.TimeoutToken, order.Reason, order.ResendTime)
            == (loaded.CurrentState, loaded.TimeoutToken, loaded.Reason, loaded.ResendTime))
            return;
        var ignoresVersion = World.Mutant == Mutant.RetryInsideTransaction && World.Random.Next(2) == 0;
        transaction.Row = order.CorrelationId;
        transaction.IsStale = () => _orders[order.CorrelationId].Version != version && !ignoresVersion;
        transaction.Changes.Add(() =>
        {
            var (before, current) = _orders[order.CorrelationId];
            World.Invariants.OrderChanged(before, order);
            _orders[order.CorrelationId] = (Copy(order), current + 1);
        });
    }

    /// <summary>Runs the statement of the production consumer of OrdersCaptured.</summary>
    public void RecordCaptures(SimTransaction transaction, IEnumerable<Guid> ids)
    {
        transaction.Checks.Add(() =>
        {
            foreach (var id in ids)
                if (_orders[id].Order.CurrentState != nameof(OrderStateMachine.Confirmed))
                    throw new InvalidOperationException($"order {id:N} is not confirmed");
        });
        transaction.Statements.Add(() =>
        {
            foreach (var id in ids)
            {
                var (order, version) = _orders[id];
                if (order.ResendTime == null)
                    continue;
                (order.ResendTime, version) = (null, version + 1);
                _orders[id] = (order, version);
            }
        });
    }

    public static OrderState Copy(OrderState x) => new()
    {
        CorrelationId = x.CorrelationId,
        CurrentState = x.CurrentState,
        AccountId = x.AccountId,
        Items = x.Items,
        Total = x.Total,
        Currency = x.Currency,
        RequestId = x.RequestId,
        Reason = x.Reason,
        CreateTime = x.CreateTime,
        UpdateTime = x.UpdateTime,
        TimeoutToken = x.TimeoutToken,
        ResendTime = x.ResendTime,
    };
}
