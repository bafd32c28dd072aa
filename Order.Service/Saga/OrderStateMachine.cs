using Contracts;
using MassTransit;
using Messaging.RabbitMq;
using Microsoft.Extensions.Options;
using Service.Defaults;

namespace Orders;

/// <summary>
/// The life of an order. Every pair of state and event is here on purpose: what cannot happen is not here, and faults
/// with an alarm; what is late or repeated is ignored by name.
/// </summary>
public sealed class OrderStateMachine : MassTransitStateMachine<OrderState>
{
    /// <summary>Where <see cref="ReserveFunds" /> goes.</summary>
    public static readonly Uri ReserveFundsQueue = new("exchange:reserve-funds");

    /// <summary>Where <see cref="ReleaseFunds" /> goes.</summary>
    public static readonly Uri ReleaseFundsQueue = new("exchange:release-funds");

    /// <summary>Builds the machine.</summary>
    /// <param name="options">How long a reservation may take.</param>
    /// <param name="time">The clock of <see cref="OrderState.UpdateTime" />.</param>
    public OrderStateMachine(IOptions<SagaOptions> options, TimeProvider time)
    {
        InstanceState(x => x.CurrentState);
        Event(() => OrderSubmitted, e => e.CorrelateById(x => x.Message.OrderId).SetSagaFactory(x => throw NoOrder(x.Message.OrderId)));
        Event(() => CancellationRequested, e => e.CorrelateById(x => x.Message.OrderId).SetSagaFactory(x => throw NoOrder(x.Message.OrderId)));
        Event(() => FundsReserved, e => e.CorrelateById(x => x.Message.OrderId).OnMissingInstance(m => m.Fault()));
        Event(() => ReservationRejected, e => e.CorrelateById(x => x.Message.OrderId).OnMissingInstance(m => m.Fault()));
        Event(() => FundsReleased, e => e.CorrelateById(x => x.Message.OrderId).OnMissingInstance(m => m.Fault()));
        Schedule(() => ReservationTimeout, x => x.TimeoutToken, s =>
        {
            s.Delay = options.Value.ReservationTimeout;
            s.Received = e => e.CorrelateById(x => x.Message.OrderId).OnMissingInstance(m => m.Fault());
        });

        Initially(
            When(OrderSubmitted)
                .Send(ReserveFundsQueue, x => new ReserveFunds(x.Saga.CorrelationId, x.Saga.AccountId, x.Saga.Total, x.Saga.Currency),
                    send => send.RequireQueue())
                .Schedule(ReservationTimeout, x => new ReservationTimedOut(x.Saga.CorrelationId), send => send.RequireQueue())
                .TransitionTo(Reserving),
            Compensate(When(CancellationRequested), OrderReason.CancelledByClient));

        During(Reserving,
            When(FundsReserved)
                .Unschedule(ReservationTimeout)
                .Publish(x => new OrderConfirmed(x.Saga.CorrelationId, x.Saga.AccountId), publish => publish.RequireQueue())
                .TransitionTo(Confirmed),
            When(ReservationRejected)
                .Unschedule(ReservationTimeout)
                .Then(x => x.Saga.Reason = Reason(x.Message.Reason))
                .Publish(x => new OrderRejected(x.Saga.CorrelationId, x.Message.Reason))
                .TransitionTo(Rejected),
            Compensate(When(ReservationTimeout.Received), OrderReason.TimedOut),
            Compensate(When(CancellationRequested), OrderReason.CancelledByClient),
            Ignore(OrderSubmitted));

        During(Cancelling,
            When(FundsReleased)
                .Publish(x => new OrderCancelled(x.Saga.CorrelationId, x.Saga.Reason == OrderReason.TimedOut))
                .TransitionTo(Cancelled),
            Ignore(FundsReserved),
            Ignore(ReservationRejected),
            Ignore(ReservationTimeout.Received),
            Ignore(OrderSubmitted),
            Ignore(CancellationRequested));

        foreach (var terminal in new[] { Confirmed, Rejected, Cancelled })
            During(terminal,
                Ignore(OrderSubmitted),
                Ignore(FundsReserved),
                Ignore(ReservationRejected),
                Ignore(ReservationTimeout.Received),
                Ignore(CancellationRequested),
                Ignore(FundsReleased));

        // Replicas' clocks differ: the time of a change is never before that of the one it follows.
        WhenEnterAny(x => x.Then(entered => entered.Saga.UpdateTime = Later(time.UtcNow(), entered.Saga.UpdateTime)));

        EventActivityBinder<OrderState, T> Compensate<T>(EventActivityBinder<OrderState, T> when, OrderReason reason) where T : class =>
            when.Then(x => x.Saga.Reason = reason)
                .Unschedule(ReservationTimeout)
                .Send(ReleaseFundsQueue, x => new ReleaseFunds(x.Saga.CorrelationId, x.Saga.AccountId, x.Saga.Currency),
                    send => send.RequireQueue())
                .TransitionTo(Cancelling);
    }

    /// <summary>Account was asked to hold the total; it has until the timeout to answer.</summary>
    public State Reserving { get; private set; } = null!;

    /// <summary>Account was told to hold nothing; its word is waited for, however long that takes.</summary>
    public State Cancelling { get; private set; } = null!;

    /// <summary>Terminal: paid.</summary>
    public State Confirmed { get; private set; } = null!;

    /// <summary>Terminal: the account could not pay.</summary>
    public State Rejected { get; private set; } = null!;

    /// <summary>Terminal: nothing of it is held.</summary>
    public State Cancelled { get; private set; } = null!;

    /// <summary>The order is accepted.</summary>
    public Event<OrderSubmitted> OrderSubmitted { get; private set; } = null!;

    /// <summary>The client gives the order up.</summary>
    public Event<CancellationRequested> CancellationRequested { get; private set; } = null!;

    /// <summary>Account holds the total.</summary>
    public Event<FundsReserved> FundsReserved { get; private set; } = null!;

    /// <summary>Account holds nothing, and says why.</summary>
    public Event<ReservationRejected> ReservationRejected { get; private set; } = null!;

    /// <summary>Account holds nothing any more.</summary>
    public Event<FundsReleased> FundsReleased { get; private set; } = null!;

    /// <summary>Runs out when Account has not answered in time.</summary>
    public Schedule<OrderState, ReservationTimedOut> ReservationTimeout { get; private set; } = null!;

    static DateTime Later(DateTime now, DateTime before) => now > before ? now : before.AddMicroseconds(1);

    static OrderReason Reason(RejectionReason reason) => reason switch
    {
        RejectionReason.InsufficientFunds => OrderReason.InsufficientFunds,
        RejectionReason.AccountNotFound => OrderReason.AccountNotFound,
        RejectionReason.CurrencyMismatch => OrderReason.CurrencyMismatch,
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, "a reservation that Order has not released cannot be released"),
    };

    static InvalidOperationException NoOrder(Guid orderId) =>
        new($"order {orderId} does not exist: it is inserted before its first event");
}
