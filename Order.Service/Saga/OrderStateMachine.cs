using Contracts;
using MassTransit;
using Messaging.RabbitMq;
using Microsoft.Extensions.Options;
using Service.Defaults;

namespace Orders;

/// <summary>
/// The life of an order, as a table of states and events. Every pair is listed on purpose: late and repeated events are
/// ignored by name. Any other pair is a fault, which moves the message to the error queue and logs a critical error.
/// </summary>
public sealed class OrderStateMachine : MassTransitStateMachine<OrderState>
{
    /// <summary>The address of <see cref="ReserveFunds" />.</summary>
    public static readonly Uri ReserveFundsQueue = new("exchange:reserve-funds");

    /// <summary>The address of <see cref="ReleaseFunds" />.</summary>
    public static readonly Uri ReleaseFundsQueue = new("exchange:release-funds");

    /// <summary>
    /// The address of a repeated <see cref="OrderConfirmed" />, which only Account receives. The first is published.
    /// </summary>
    public static readonly Uri CaptureFundsQueue = new("exchange:capture-funds");

    /// <summary>The address to which Account sends its answers: the queue of this saga.</summary>
    public static readonly Uri AnswersQueue = new("exchange:order-state");

    /// <summary>
    /// The address to which Account sends <see cref="OrdersCaptured" />, the answer to <see cref="OrderConfirmed" />:
    /// the queue of <see cref="OrdersCapturedConsumer" />.
    /// </summary>
    public static readonly Uri CapturesQueue = new("exchange:orders-captured");

    /// <summary>
    /// The states in which an order waits for an answer of Account, and the address of what Account has not answered.
    /// </summary>
    public static readonly IReadOnlyList<(string State, Uri Queue)> Awaiting =
    [
        (nameof(Reserving), ReserveFundsQueue),
        (nameof(Cancelling), ReleaseFundsQueue),
        (nameof(Confirmed), CaptureFundsQueue),
    ];

    /// <summary>Where MassTransit publishes the faults of all messages; nothing in this system receives them.</summary>
    static readonly Uri Faults = new("exchange:MassTransit:Fault");

    readonly SagaOptions _options;
    readonly TimeProvider _time;

    /// <summary>Builds the machine.</summary>
    /// <param name="options">The reservation timeout and the pauses before a command is sent again.</param>
    /// <param name="time">The clock for the times of an order; one clock for all replicas.</param>
    public OrderStateMachine(IOptions<SagaOptions> options, TimeProvider time)
    {
        (_options, _time) = (options.Value, time);
        InstanceState(x => x.CurrentState);
        CorrelateEvents(_options.ReservationTimeout);
        ConnectEventObserver(new LastEventObserver());

        Initially(
            When(OrderSubmitted)
                .Send(ReserveFundsQueue, x => ReserveFundsFor(x.Saga), ExpectAnswer)
                .Schedule(ReservationTimeout, x => ReservationTimedOutFor(x.Saga), send => send.RequireQueue())
                .TransitionTo(Reserving),
            Compensate(WhenClientCancels(), OrderReason.CancelledByClient)
                .TransitionTo(Cancelling),
            Compensate(When(ReleaseRequested), OrderReason.CancelledByOperator)
                .TransitionTo(Cancelling));

        During(Reserving,
            When(FundsReserved)
                .Unschedule(ReservationTimeout)
                .Publish(x => OrderConfirmedFor(x.Saga), ExpectCapture)
                .TransitionTo(Confirmed),
            When(ReservationRejected)
                .Unschedule(ReservationTimeout)
                .Then(x => x.Saga.Reason = ToOrderReason(x.Message.Reason))
                .Publish(x => new OrderRejected(x.Saga.CorrelationId, x.Message.Reason))
                .TransitionTo(Rejected),
            Compensate(When(ReservationTimeout.Received), OrderReason.TimedOut)
                .TransitionTo(Cancelling),
            Compensate(WhenClientCancels(), OrderReason.CancelledByClient)
                .TransitionTo(Cancelling),
            When(AnswerOverdue, x => !IsTimedOut(x.Saga))
                .Send(ReserveFundsQueue, x => ReserveFundsFor(x.Saga), ExpectAnswer)
                .Then(x => PostponeResend(x.Saga)),
            // The timeout's own message was lost.
            Compensate(When(AnswerOverdue, x => IsTimedOut(x.Saga)), OrderReason.TimedOut)
                .TransitionTo(Cancelling),
            Ignore(OrderSubmitted));

        During(Cancelling,
            When(FundsReleased)
                .Publish(x => new OrderCancelled(x.Saga.CorrelationId, x.Saga.Reason == OrderReason.TimedOut))
                .TransitionTo(Cancelled),
            When(AnswerOverdue)
                .Send(ReleaseFundsQueue, x => ReleaseFundsFor(x.Saga), ExpectAnswer)
                .Then(x => PostponeResend(x.Saga)),
            Ignore(FundsReserved),
            Ignore(ReservationRejected),
            Ignore(ReservationTimeout.Received),
            Ignore(OrderSubmitted),
            Ignore(CancellationRequested));

        During(Confirmed,
            When(FundsCaptured)
                .Then(x => x.Saga.ResendTime = null),
            When(AnswerOverdue, x => x.Saga.ResendTime != null)
                .Send(CaptureFundsQueue, x => OrderConfirmedFor(x.Saga), ExpectCapture)
                .Then(x => PostponeResend(x.Saga)));

        foreach (var unpaid in new[] { Rejected, Cancelled })
            During(unpaid,
                When(ReleaseRequested)
                    .Send(ReleaseFundsQueue, x => ReleaseFundsFor(x.Saga), ExpectAnswer),
                Ignore(AnswerOverdue));

        foreach (var terminal in new[] { Confirmed, Rejected, Cancelled })
            During(terminal,
                Ignore(OrderSubmitted),
                Ignore(FundsReserved),
                Ignore(ReservationRejected),
                Ignore(ReservationTimeout.Received),
                Ignore(CancellationRequested),
                Ignore(FundsReleased));

        WhenEnterAny(x => x.Then(entered =>
        {
            SetTimes(entered.Saga);
            OrderSpans.Entered(entered.Saga);
        }));

        EventActivityBinder<OrderState, CancellationRequested> WhenClientCancels() =>
            When(CancellationRequested).Then(x => x.Saga.CancelledBy = x.Message.Caller);

        EventActivityBinder<OrderState, T> Compensate<T>(EventActivityBinder<OrderState, T> when, OrderReason reason)
            where T : class =>
            when.Then(x => x.Saga.Reason = reason)
                .Unschedule(ReservationTimeout)
                .Send(ReleaseFundsQueue, x => ReleaseFundsFor(x.Saga), ExpectAnswer);
    }

    static void ExpectAnswer(SendContext send) => ExpectAnswerAt(AnswersQueue, send);

    static void ExpectCapture(SendContext send) => ExpectAnswerAt(CapturesQueue, send);

    static void ExpectAnswerAt(Uri queue, SendContext send)
    {
        send.RequireQueue();
        send.ResponseAddress = queue;
        send.FaultAddress = Faults; // otherwise faults of commands would come as answers
    }

    /// <summary>Account has been sent ReserveFunds and must reply before the timeout.</summary>
    public State Reserving { get; private set; } = null!;

    /// <summary>Account has been sent ReleaseFunds; the order waits for FundsReleased without a time limit.</summary>
    public State Cancelling { get; private set; } = null!;

    /// <summary>
    /// Terminal: the order is paid. <see cref="OrderState.ResendTime" /> is null once Account has captured the funds.
    /// </summary>
    public State Confirmed { get; private set; } = null!;

    /// <summary>Terminal: the account could not pay.</summary>
    public State Rejected { get; private set; } = null!;

    /// <summary>Terminal: no funds are held for the order.</summary>
    public State Cancelled { get; private set; } = null!;

    /// <summary>The order is accepted.</summary>
    public Event<OrderSubmitted> OrderSubmitted { get; private set; } = null!;

    /// <summary>The client cancels the order.</summary>
    public Event<CancellationRequested> CancellationRequested { get; private set; } = null!;

    /// <summary>
    /// An operator has the funds released that Account holds for an order which has ended without them, or which was
    /// lost: <see cref="HoldRelease" /> then raises this as the first event.
    /// </summary>
    public Event<ReleaseRequested> ReleaseRequested { get; private set; } = null!;

    /// <summary>Account holds the order's total.</summary>
    public Event<FundsReserved> FundsReserved { get; private set; } = null!;

    /// <summary>Account holds nothing; the message has the reason.</summary>
    public Event<ReservationRejected> ReservationRejected { get; private set; } = null!;

    /// <summary>Account has released the funds, and will never hold any for this order.</summary>
    public Event<FundsReleased> FundsReleased { get; private set; } = null!;

    /// <summary>
    /// A build of Account that does not know <see cref="OrdersCaptured" /> has captured the funds of the confirmed
    /// order.
    /// </summary>
    public Event<FundsCaptured> FundsCaptured { get; private set; } = null!;

    /// <summary>Account has not answered the last command in time: the saga sends it again.</summary>
    public Event<AnswerOverdue> AnswerOverdue { get; private set; } = null!;

    /// <summary>The time limit of a reservation.</summary>
    public Schedule<OrderState, ReservationTimedOut> ReservationTimeout { get; private set; } = null!;

    /// <summary>Finds the order of each event. It exists before its first event; a missing order is a fault.</summary>
    void CorrelateEvents(TimeSpan reservationTimeout)
    {
        Event(() => OrderSubmitted, e =>
            e.CorrelateById(x => x.Message.OrderId).SetSagaFactory(x => throw MissingOrder(x.Message.OrderId)));
        Event(() => CancellationRequested, e =>
            e.CorrelateById(x => x.Message.OrderId).SetSagaFactory(x => throw MissingOrder(x.Message.OrderId)));
        Event(() => ReleaseRequested, e =>
            e.CorrelateById(x => x.Message.OrderId).SetSagaFactory(x => throw MissingOrder(x.Message.OrderId)));
        Event(() => FundsReserved, e => e.CorrelateById(x => x.Message.OrderId).OnMissingInstance(m => m.Fault()));
        Event(() => ReservationRejected, e =>
            e.CorrelateById(x => x.Message.OrderId).OnMissingInstance(m => m.Fault()));
        Event(() => FundsReleased, e => e.CorrelateById(x => x.Message.OrderId).OnMissingInstance(m => m.Fault()));
        Event(() => FundsCaptured, e => e.CorrelateById(x => x.Message.OrderId).OnMissingInstance(m => m.Fault()));
        Event(() => AnswerOverdue, e => e.CorrelateById(x => x.Message.OrderId).OnMissingInstance(m => m.Fault()));
        Schedule(() => ReservationTimeout, x => x.TimeoutToken, s =>
        {
            s.Delay = reservationTimeout;
            s.Received = e => e.CorrelateById(x => x.Message.OrderId).OnMissingInstance(m => m.Fault());
        });
    }

    static ReserveFunds ReserveFundsFor(OrderState order) =>
        new(order.CorrelationId, order.AccountId, order.Total, order.Currency, order.Owner);

    static ReleaseFunds ReleaseFundsFor(OrderState order) => new(order.CorrelationId, order.AccountId, order.Currency);

    static OrderConfirmed OrderConfirmedFor(OrderState order) => new(order.CorrelationId, order.AccountId);

    static ReservationTimedOut ReservationTimedOutFor(OrderState order) => new(order.CorrelationId);

    /// <summary>Null, which clients see as UNSPECIFIED, for the reasons of a newer build of Account.</summary>
    static OrderReason? ToOrderReason(RejectionReason reason) => reason switch
    {
        RejectionReason.InsufficientFunds => OrderReason.InsufficientFunds,
        RejectionReason.AccountNotFound => OrderReason.AccountNotFound,
        RejectionReason.CurrencyMismatch => OrderReason.CurrencyMismatch,
        RejectionReason.Released => throw new ArgumentOutOfRangeException(nameof(reason), reason,
            "not a reason to reject an order: its funds were released before the order was cancelled"),
        _ => null,
    };

    /// <summary>Sets the times of an order that has entered a state. Its changes have increasing times.</summary>
    void SetTimes(OrderState order)
    {
        var now = _time.UtcNow();
        order.UpdateTime = Later(now, order.UpdateTime);
        order.ResendTime = Awaiting.Any(x => x.State == order.CurrentState) ? now + _options.ResendDelay : null;
    }

    /// <summary>The next pause is as long as the wait so far, within the limits of the options.</summary>
    void PostponeResend(OrderState order)
    {
        var now = _time.UtcNow();
        var pause = Math.Max((now - order.UpdateTime).Ticks, _options.ResendDelay.Ticks);
        order.ResendTime = now + TimeSpan.FromTicks(Math.Min(pause, _options.MaxResendDelay.Ticks));
    }

    bool IsTimedOut(OrderState order) => _time.UtcNow() >= order.UpdateTime + _options.ReservationTimeout;

    static DateTime Later(DateTime now, DateTime before) => now > before ? now : before.AddMicroseconds(1);

    static InvalidOperationException MissingOrder(Guid orderId) =>
        new($"order {orderId} does not exist: an order must be inserted before its first event");
}
