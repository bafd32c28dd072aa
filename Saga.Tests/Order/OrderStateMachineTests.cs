using System.Collections.Concurrent;
using Contracts;
using MassTransit;
using MassTransit.Saga;
using MassTransit.Testing;
using Microsoft.Extensions.DependencyInjection;
using Orders;

namespace Saga.Tests.Orders;

/// <summary>Every cell of the transition table of the saga: state × event → next state and sent message.</summary>
[TestFixture, Category("Unit")]
public sealed class When_the_saga_handles_an_event
{
    const string Fault = "fault";
    static readonly Guid Token = Guid.NewGuid();
    readonly Recorder _recorder = new();
    ServiceProvider _provider = null!;
    IBus _bus = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _provider = new ServiceCollection()
            .AddSingleton(TimeProvider.System)
            .AddMassTransitTestHarness(TextWriter.Null,
                x => x.AddSagaStateMachine<OrderStateMachine, OrderState>().InMemoryRepository())
            .BuildServiceProvider(validateScopes: true);
        _bus = (await _provider.StartTestHarness()).Bus;
        _bus.ConnectConsumeObserver(_recorder);
        _bus.ConnectSendObserver(_recorder);
        _bus.ConnectPublishObserver(_recorder);
    }

    [OneTimeTearDown]
    public async Task StopAsync() => await _provider.DisposeAsync();

    static IEnumerable<TestCaseData> Cells()
    {
        string[] states = ["Initial", "Reserving", "Cancelling", "Confirmed", "Rejected", "Cancelled"];
        (string Next, Type? Sent)[] terminal = [("Confirmed", null), ("Rejected", null), ("Cancelled", null)];
        var table = new Dictionary<Type, (string Next, Type? Sent)[]>
        {
            // The cells are in the order of the states; terminal states ignore all events.
            [typeof(OrderSubmitted)] =
                [("Reserving", typeof(ReserveFunds)), ("Reserving", null), ("Cancelling", null), .. terminal],
            [typeof(CancellationRequested)] =
            [
                ("Cancelling", typeof(ReleaseFunds)), ("Cancelling", typeof(ReleaseFunds)), ("Cancelling", null),
                .. terminal,
            ],
            [typeof(ReleaseRequested)] =
            [
                ("Cancelling", typeof(ReleaseFunds)), (Fault, null), (Fault, null), (Fault, null),
                ("Rejected", typeof(ReleaseFunds)), ("Cancelled", typeof(ReleaseFunds)),
            ],
            [typeof(FundsReserved)] =
                [(Fault, null), ("Confirmed", typeof(OrderConfirmed)), ("Cancelling", null), .. terminal],
            [typeof(ReservationRejected)] =
                [(Fault, null), ("Rejected", typeof(OrderRejected)), ("Cancelling", null), .. terminal],
            [typeof(ReservationTimedOut)] =
                [(Fault, null), ("Cancelling", typeof(ReleaseFunds)), ("Cancelling", null), .. terminal],
            [typeof(FundsReleased)] =
                [(Fault, null), (Fault, null), ("Cancelled", typeof(OrderCancelled)), .. terminal],
            [typeof(FundsCaptured)] =
            [
                (Fault, null), (Fault, null), (Fault, null), ("Confirmed", null), (Fault, null), (Fault, null),
            ],
            [typeof(AnswerOverdue)] =
            [
                (Fault, null), ("Reserving", typeof(ReserveFunds)), ("Cancelling", typeof(ReleaseFunds)),
                ("Confirmed", typeof(OrderConfirmed)), ("Rejected", null), ("Cancelled", null),
            ],
        };
        foreach (var (@event, cells) in table)
            foreach (var (state, (next, sent)) in states.Zip(cells))
                yield return new TestCaseData(state, @event, next, sent)
                    .SetName($"{state}, {@event.Name}: {next}{(sent == null ? "" : $" and {sent.Name}")}");
    }

    [TestCaseSource(nameof(Cells))]
    public async Task Should_follow_the_transition_table(string state, Type @event, string next, Type? sent)
    {
        var order = Given(state);

        var error = await RaiseAsync(order.CorrelationId, @event, Token);

        Assert.That(error, next == Fault ? Is.Not.Null : Is.Null);
        Assert.That(order.CurrentState, Is.EqualTo(next == Fault ? state : next));
        Assert.That(SentFor(order.CorrelationId), Is.EqualTo(sent == null ? [] : new[] { sent }));
        if (error == null)
            Assert.That(order.LastEvent, next != state || sent != null || @event == typeof(FundsCaptured)
                ? Is.EqualTo(@event.Name) : Is.Null, "an event that is ignored is not noted");
    }

    [TestCase(typeof(CancellationRequested), OrderReason.CancelledByClient)]
    [TestCase(typeof(ReservationTimedOut), OrderReason.TimedOut)]
    [TestCase(typeof(ReservationRejected), OrderReason.InsufficientFunds)]
    public async Task Should_store_the_reason_why_a_reserving_order_ends(Type @event, OrderReason reason)
    {
        var order = Given("Reserving");
        await RaiseAsync(order.CorrelationId, @event, Token);
        Assert.That(order.Reason, Is.EqualTo(reason));
        Assert.That(order.CancelledBy, Is.EqualTo(reason == OrderReason.CancelledByClient ? "alice" : null));
    }

    [Test]
    public async Task Should_reject_for_a_reason_that_only_a_newer_build_of_account_knows()
    {
        var order = Given("Reserving");
        var error = await RaiseAsync(new ReservationRejected(order.CorrelationId, (RejectionReason)99), Token);
        Assert.That((error, order.CurrentState, order.Reason), Is.EqualTo(((Exception?)null, "Rejected",
            (OrderReason?)null)));
    }

    [Test]
    public async Task Should_increase_the_update_time_on_a_replica_whose_clock_is_behind()
    {
        var order = Given("Reserving");
        var ahead = order.UpdateTime = DateTime.UtcNow.AddMinutes(5);
        await RaiseAsync(order.CorrelationId, typeof(FundsReserved), Token);
        Assert.That(order.UpdateTime, Is.GreaterThan(ahead));
    }

    [Test]
    public async Task Should_ignore_a_timeout_with_an_older_token()
    {
        var order = Given("Reserving");

        var error = await RaiseAsync(order.CorrelationId, typeof(ReservationTimedOut), Guid.NewGuid());

        Assert.That(error, Is.Null);
        Assert.That(order.CurrentState, Is.EqualTo("Reserving"));
        Assert.That(order.LastEvent, Is.Null);
        Assert.That(SentFor(order.CorrelationId), Is.Empty);
    }

    [Test]
    public async Task Should_schedule_a_timeout_when_submitted_and_cancel_it_when_reserved()
    {
        var order = Given("Initial");
        await RaiseAsync(order.CorrelationId, typeof(OrderSubmitted), Token);
        Assert.That(order.TimeoutToken, Is.Not.Null);
        await RaiseAsync(order.CorrelationId, typeof(FundsReserved), Token);
        Assert.That(order.TimeoutToken, Is.Null);
    }

    [TestCase("Reserving", typeof(FundsReserved))]
    [TestCase("Initial", typeof(OrderSubmitted))]
    [TestCase("Reserving", typeof(CancellationRequested))]
    public async Task Should_wait_for_an_answer_in_each_state_that_has_asked_for_one(string state, Type @event)
    {
        var order = Given(state);
        await RaiseAsync(order.CorrelationId, @event, Token);
        Assert.That(order.ResendTime, Is.EqualTo(DateTime.UtcNow + TimeSpan.FromSeconds(5)).Within(2).Seconds);
    }

    [TestCase("Reserving", typeof(ReservationRejected))]
    [TestCase("Cancelling", typeof(FundsReleased))]
    [TestCase("Confirmed", typeof(FundsCaptured))]
    public async Task Should_wait_for_nothing_after_the_answer(string state, Type @event)
    {
        var order = Given(state);
        await RaiseAsync(order.CorrelationId, @event, Token);
        Assert.That(order.ResendTime, Is.Null);
    }

    [TestCase(1, 5)]
    [TestCase(12, 12)]
    [TestCase(3600, 60)]
    public async Task Should_ask_again_after_pauses_as_long_as_the_wait_so_far(int waited, int pause)
    {
        var order = Given("Cancelling");
        order.UpdateTime = DateTime.UtcNow.AddSeconds(-waited);
        await RaiseAsync(order.CorrelationId, typeof(AnswerOverdue), Token);
        Assert.That(order.ResendTime, Is.EqualTo(DateTime.UtcNow.AddSeconds(pause)).Within(2).Seconds);
    }

    [Test]
    public async Task Should_time_out_without_the_timeouts_message()
    {
        var order = Given("Reserving");
        order.UpdateTime = DateTime.UtcNow.AddSeconds(-31);
        await RaiseAsync(order.CorrelationId, typeof(AnswerOverdue), Token);
        Assert.That((order.CurrentState, order.Reason), Is.EqualTo(("Cancelling", OrderReason.TimedOut)));
        Assert.That(SentFor(order.CorrelationId), Is.EqualTo(new[] { typeof(ReleaseFunds) }));
    }

    [Test]
    public async Task Should_fault_when_the_order_does_not_exist(
        [Values(typeof(OrderSubmitted), typeof(CancellationRequested), typeof(ReleaseRequested),
            typeof(FundsReserved), typeof(ReservationRejected), typeof(FundsReleased), typeof(FundsCaptured),
            typeof(AnswerOverdue), typeof(ReservationTimedOut))]
        Type @event)
    {
        var error = await RaiseAsync(Guid.NewGuid(), @event, Token);
        Assert.That(error, Is.Not.Null);
    }

    OrderState Given(string state)
    {
        var order = new OrderState
        {
            CorrelationId = Guid.CreateVersion7(),
            CurrentState = state,
            AccountId = Guid.NewGuid(),
            Items = [new OrderLine("book", 1, 5)],
            Total = 5,
            Currency = "EUR",
            CreateTime = DateTime.UnixEpoch,
            UpdateTime = DateTime.UtcNow,
            TimeoutToken = state == "Reserving" ? Token : null,
            ResendTime = state is "Reserving" or "Cancelling" or "Confirmed" ? DateTime.UtcNow : null,
        };
        _provider.GetRequiredService<IndexedSagaDictionary<OrderState>>().Add(new SagaInstance<OrderState>(order));
        return order;
    }

    Task<Exception?> RaiseAsync(Guid orderId, Type type, Guid token) => RaiseAsync(type.Name switch
    {
        nameof(OrderSubmitted) => new OrderSubmitted(orderId),
        nameof(CancellationRequested) => new CancellationRequested(orderId, "alice"),
        nameof(ReleaseRequested) => new ReleaseRequested(orderId),
        nameof(FundsReserved) => new FundsReserved(orderId),
        nameof(ReservationRejected) => new ReservationRejected(orderId, RejectionReason.InsufficientFunds),
        nameof(FundsReleased) => new FundsReleased(orderId, 5),
        nameof(FundsCaptured) => new FundsCaptured(orderId),
        nameof(AnswerOverdue) => new AnswerOverdue(orderId),
        nameof(ReservationTimedOut) => new ReservationTimedOut(orderId),
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    }, token);

    async Task<Exception?> RaiseAsync(object message, Guid token)
    {
        var messageId = NewId.NextGuid();
        var consumed = _recorder.Expect(messageId);
        await _bus.Publish(message, message.GetType(), context =>
        {
            context.MessageId = messageId;
            context.Headers.Set(MessageHeaders.SchedulingTokenId, token.ToString("D"));
        });
        return await consumed.WaitAsync(TimeSpan.FromSeconds(10));
    }

    Type[] SentFor(Guid orderId) =>
    [
        .. _recorder.Sent
            .Where(x => x is ReserveFunds or ReleaseFunds or OrderConfirmed or OrderRejected or OrderCancelled)
            .Where(x => (Guid?)x.GetType().GetProperty("OrderId")?.GetValue(x) == orderId).Select(x => x.GetType()),
    ];

    /// <summary>Records the sent and published messages, and the outcome of each expected message.</summary>
    sealed class Recorder : IConsumeObserver, ISendObserver, IPublishObserver
    {
        readonly ConcurrentDictionary<Guid, TaskCompletionSource<Exception?>> _expected = new();

        public ConcurrentQueue<object> Sent { get; } = new();

        public Task<Exception?> Expect(Guid messageId) =>
            _expected.GetOrAdd(messageId, _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        public Task PreConsume<T>(ConsumeContext<T> context) where T : class => Task.CompletedTask;

        public Task PostConsume<T>(ConsumeContext<T> context) where T : class => End(context, null);

        public Task ConsumeFault<T>(ConsumeContext<T> context, Exception exception) where T : class =>
            End(context, exception);

        Task End(ConsumeContext context, Exception? exception)
        {
            if (context.MessageId is { } id && _expected.TryGetValue(id, out var expected))
                expected.TrySetResult(exception);
            return Task.CompletedTask;
        }

        public Task PreSend<T>(SendContext<T> context) where T : class => Record(context.Message);

        public Task PostSend<T>(SendContext<T> context) where T : class => Task.CompletedTask;

        public Task SendFault<T>(SendContext<T> context, Exception exception) where T : class => Task.CompletedTask;

        public Task PrePublish<T>(PublishContext<T> context) where T : class => Record(context.Message);

        public Task PostPublish<T>(PublishContext<T> context) where T : class => Task.CompletedTask;

        public Task PublishFault<T>(PublishContext<T> context, Exception exception) where T : class =>
            Task.CompletedTask;

        Task Record(object message)
        {
            Sent.Enqueue(message);
            return Task.CompletedTask;
        }
    }
}
