using Contracts;
using MassTransit;
using MassTransit.Scheduling;
using MassTransit.Serialization;
using Messaging.Postgres.Outbox;
using Messaging.Postgres.Sagas;
using Microsoft.Extensions.Options;
using Orders;

namespace Saga.Simulation;

/// <summary>Runs the production state machine on a copy of a row.</summary>
static class StateMachineRunner
{
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    [ThreadStatic]
    static DateTimeOffset _now;

    static readonly OrderStateMachine Machine =
        new(Options.Create(new SagaOptions { ReservationTimeout = Timeout }), new WorldClock());

    static readonly IBus Bus = MassTransit.Bus.Factory.CreateUsingInMemory(_ => { });
    static readonly Uri Self = new("exchange:order-state");

    /// <summary>
    /// Raises the machine's event for a message. Sent, scheduled and cancelled messages go into the transaction.
    /// </summary>
    /// <param name="order">The saga instance, which the machine changes.</param>
    /// <param name="content">The message.</param>
    /// <param name="token">The token of a scheduled message, or null.</param>
    /// <param name="transaction">Captures the machine's messages.</param>
    /// <param name="world">The world.</param>
    /// <param name="clock">The replica's time.</param>
    public static Task Handle(OrderState order, object content, Guid? token, SimTransaction transaction, World world,
        Func<DateTime> clock)
    {
        _now = world.Now;
        var outbox = new TransactionOutbox(transaction, world, clock);
        var received = new InProcessReceiveContext(Self, outbox, Bus.Topology, default);
        var scheduler = new MessageScheduler(outbox, Bus.Topology);
        Headers? headers = null;
        if (token is { } t)
        {
            var set = new DictionarySendHeaders();
            var accepted = world.Mutant == Mutant.StaleTimeoutsAccepted ? order.TimeoutToken ?? t : t;
            set.Set(MessageHeaders.SchedulingTokenId, accepted);
            headers = set;
        }

        return content switch
        {
            OrderSubmitted x => Machine.Raise(order, Machine.OrderSubmitted, x, received, scheduler),
            CancellationRequested x => Machine.Raise(order, Machine.CancellationRequested, x, received, scheduler),
            ReleaseRequested x => Machine.Raise(order, Machine.ReleaseRequested, x, received, scheduler),
            FundsReserved x => Machine.Raise(order, Machine.FundsReserved, x, received, scheduler),
            ReservationRejected x => Machine.Raise(order, Machine.ReservationRejected, x, received, scheduler),
            FundsReleased x => Machine.Raise(order, Machine.FundsReleased, x, received, scheduler),
            FundsCaptured x => Machine.Raise(order, Machine.FundsCaptured, x, received, scheduler),
            AnswerOverdue x => Machine.Raise(order, Machine.AnswerOverdue, x, received, scheduler),
            ReservationTimedOut x =>
                Machine.Raise(order, Machine.ReservationTimeout.AnyReceived, x, received, scheduler, headers),
            _ => throw new InvalidOperationException($"order-state does not consume {content.GetType().Name}"),
        };
    }

    /// <summary>The time of the world that runs on this thread; the machine is shared by all worlds.</summary>
    sealed class WorldClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => _now;
    }
}
