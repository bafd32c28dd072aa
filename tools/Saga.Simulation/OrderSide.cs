using Contracts;
using MassTransit;
using MassTransit.Scheduling;
using MassTransit.Serialization;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Sagas;
using Microsoft.Extensions.Options;
using Orders;

namespace Saga.Simulation;

/// <summary>Order's rows.</summary>
sealed class OrderDatabase(World world) : SimDatabase(world)
{
    readonly Dictionary<Guid, (OrderState Order, int Version)> _orders = [];
    readonly Dictionary<Guid, Guid> _requests = [];

    public IEnumerable<OrderState> All => _orders.Values.Select(x => x.Order);

    public (OrderState Order, int Version)? Find(Guid id) => _orders.TryGetValue(id, out var x) ? (Copy(x.Order), x.Version) : null;

    public Guid? ByRequest(Guid requestId) => _requests.TryGetValue(requestId, out var id) ? id : null;

    public void Insert(SimUnit unit, OrderState order)
    {
        unit.Checks.Add(() =>
        {
            if (order.RequestId is { } request && _requests.ContainsKey(request))
                throw new Conflict("the request has made an order");
        });
        unit.Changes.Add(() =>
        {
            _orders.Add(order.CorrelationId, (Copy(order), 1));
            if (order.RequestId is { } request)
                _requests.Add(request, order.CorrelationId);
        });
    }

    /// <summary>Saves what changed since it was found; as in the shipped database, nothing changed is nothing to conflict with.</summary>
    public void Update(SimUnit unit, OrderState order, OrderState found, int version)
    {
        if ((order.CurrentState, order.TimeoutToken, order.Reason) == (found.CurrentState, found.TimeoutToken, found.Reason))
            return;
        unit.Checks.Add(() =>
        {
            var retriesInside = World.Mutant == Mutant.RetryInsideTransaction && World.Random.Next(2) == 0;
            if (_orders[order.CorrelationId].Version != version && !retriesInside)
                throw new Conflict("the order has changed");
        });
        unit.Changes.Add(() =>
        {
            var (before, now) = _orders[order.CorrelationId];
            World.OrderChanges(before, order);
            _orders[order.CorrelationId] = (Copy(order), now + 1);
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
    };
}

/// <summary>Runs the real state machine on a copy of a row.</summary>
static class OrderRules
{
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    [ThreadStatic]
    static DateTimeOffset _now;

    static readonly OrderStateMachine Machine = new(Options.Create(new SagaOptions { ReservationTimeout = Timeout }), new Ambient());
    static readonly IBus Bus = MassTransit.Bus.Factory.CreateUsingInMemory(_ => { });
    static readonly Uri Self = new("exchange:order-state");

    /// <summary>Takes the machine's step for a message; what it sends, schedules and unschedules goes into the unit.</summary>
    public static Task Handle(OrderState order, object content, Guid? token, SimUnit unit, World world, Func<DateTime> clock)
    {
        _now = world.Now;
        var outbox = new UnitOutbox(unit, world, clock);
        var received = new InProcessReceiveContext(Self, outbox, Bus.Topology, default);
        var scheduler = new MessageScheduler(outbox, Bus.Topology);
        Headers? headers = null;
        if (token is { } t)
        {
            var set = new DictionarySendHeaders();
            set.Set(MessageHeaders.SchedulingTokenId, world.Mutant == Mutant.StaleTimeoutsAccepted ? order.TimeoutToken ?? t : t);
            headers = set;
        }

        return content switch
        {
            OrderSubmitted x => Machine.Raise(order, Machine.OrderSubmitted, x, received, scheduler),
            CancellationRequested x => Machine.Raise(order, Machine.CancellationRequested, x, received, scheduler),
            FundsReserved x => Machine.Raise(order, Machine.FundsReserved, x, received, scheduler),
            ReservationRejected x => Machine.Raise(order, Machine.ReservationRejected, x, received, scheduler),
            FundsReleased x => Machine.Raise(order, Machine.FundsReleased, x, received, scheduler),
            ReservationTimedOut x => Machine.Raise(order, Machine.ReservationTimeout.AnyReceived, x, received, scheduler, headers),
            _ => throw new InvalidOperationException($"order-state does not take {content.GetType().Name}"),
        };
    }

    sealed class Ambient : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => _now;
    }
}

/// <summary>Where the machine's messages go: into the unit, as the shipped outbox captures them.</summary>
sealed class UnitOutbox(SimUnit unit, World world, Func<DateTime> clock)
    : IOutboxEndpoints, ISendEndpointProvider, IPublishEndpointProvider, ISendEndpoint, IScheduleMessageProvider
{
    public ISendEndpointProvider SendEndpointProvider => this;
    public IPublishEndpointProvider PublishEndpointProvider => this;

    public Task<ISendEndpoint> GetSendEndpoint(Uri address) => Task.FromResult<ISendEndpoint>(this);

    public Task<ISendEndpoint> GetPublishSendEndpoint<T>() where T : class => Task.FromResult<ISendEndpoint>(this);

    public Task Send<T>(T message, CancellationToken cancellationToken = default) where T : class => Capture(message);

    public Task Send<T>(T message, IPipe<SendContext<T>> pipe, CancellationToken cancellationToken = default) where T : class => Capture(message);

    public Task Send<T>(T message, IPipe<SendContext> pipe, CancellationToken cancellationToken = default) where T : class => Capture(message);

    public Task Send(object message, CancellationToken cancellationToken = default) => Capture(message);

    public Task Send(object message, Type messageType, CancellationToken cancellationToken = default) => Capture(message);

    public Task Send(object message, IPipe<SendContext> pipe, CancellationToken cancellationToken = default) => Capture(message);

    public Task Send(object message, Type messageType, IPipe<SendContext> pipe, CancellationToken cancellationToken = default) => Capture(message);

    public Task Send<T>(object values, CancellationToken cancellationToken = default) where T : class => throw new NotSupportedException();

    public Task Send<T>(object values, IPipe<SendContext<T>> pipe, CancellationToken cancellationToken = default) where T : class =>
        throw new NotSupportedException();

    public Task Send<T>(object values, IPipe<SendContext> pipe, CancellationToken cancellationToken = default) where T : class =>
        throw new NotSupportedException();

    public Task<ScheduledMessage<T>> ScheduleSend<T>(Uri destinationAddress, DateTime scheduledTime, T message,
        IPipe<SendContext<T>> pipe, CancellationToken cancellationToken) where T : class
    {
        var token = world.NewId();
        unit.Messages.Add(world.NewMessage(message, clock(), token, OrderRules.Timeout));
        return Task.FromResult<ScheduledMessage<T>>(new ScheduledMessageHandle<T>(token, scheduledTime, destinationAddress, message));
    }

    public Task CancelScheduledSend(Guid tokenId, CancellationToken cancellationToken)
    {
        unit.Messages.RemoveAll(x => x.TokenId == tokenId);
        unit.Unscheduled.Add(tokenId);
        return Task.CompletedTask;
    }

    public Task CancelScheduledSend(Uri destinationAddress, Guid tokenId, CancellationToken cancellationToken) =>
        CancelScheduledSend(tokenId, cancellationToken);

    public ConnectHandle ConnectSendObserver(ISendObserver observer) => throw new NotSupportedException();

    public ConnectHandle ConnectPublishObserver(IPublishObserver observer) => throw new NotSupportedException();

    Task Capture(object message)
    {
        unit.Messages.Add(world.NewMessage(message, clock()));
        return Task.CompletedTask;
    }
}
