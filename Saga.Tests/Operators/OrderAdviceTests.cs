using Google.Protobuf.WellKnownTypes;
using Operations;
using Operations.V1;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_an_order_is_explained
{
    static readonly DateTime Now = new(2026, 11, 29, 12, 0, 0, DateTimeKind.Utc);
    static readonly Guid Id = Guid.NewGuid();

    static readonly BrokerQueue[] Queues =
        [.. new[] { "reserve-funds", "order-state" }.Select(x => new BrokerQueue { Name = x, Consumers = 1 })];

    static OrderStoryFacts Waiting(bool isStuck = true) => new(Id, new OrderStory
    {
        Order = new OrderRecord { OrderId = $"{Id}", State = "Reserving", UpdateTime = At(-5), CreateTime = At(-5) },
        Wait = new Wait
        {
            Message = "FundsReserved",
            Queue = "reserve-funds",
            Since = At(-5),
            ResendTime = At(1),
            IsStuck = isStuck,
        },
    }, new ReservationStory(), [], [.. Queues.Select(x => x.Clone())], Now);

    static Timestamp At(int minutes) => Now.AddMinutes(minutes).ToTimestamp();

    static OrderStoryFacts Ended(string? state, string? reservation) => Waiting() with
    {
        Order = state == null ? null
            : new OrderStory { Order = new OrderRecord { State = state, UpdateTime = At(-5) } },
        Reservation = reservation == null ? new ReservationStory()
            : new ReservationStory { Reservation = new ReservationRecord { Status = reservation } },
    };

    [Test]
    public void Should_say_what_it_waits_for_and_since_when() => Assert.That(OrderSituation.Of(Waiting()),
        Does.Contain("has waited for FundsReserved since 2026-11-29 11:55:00Z (5 min, longer than expected)")
            .And.Contain("Account has decided nothing about it").And.Contain("reserve-funds"));

    [Test]
    public void Should_say_who_placed_and_who_cancelled_it()
    {
        var facts = Waiting();
        (facts.Order!.Order.PlacedBy, facts.Order.Order.CancelledBy) = ("alice", "bob");
        facts.Order.Transitions.Add([
            new Transition { Time = At(-5), ToState = "Reserving", Event = "OrderSubmitted" },
            new Transition
            {
                Time = At(-4),
                FromState = "Reserving",
                ToState = "Cancelling",
                Event = "CancellationRequested",
                Reason = "CancelledByClient",
            },
            new Transition { Time = At(-3), FromState = "Cancelling", ToState = "Cancelled", Event = "FundsReleased" },
        ]);
        Assert.That(StoryEvents.Of(facts).Select(x => x.Text), Is.EqualTo(new[]
        {
            "The order over ? was accepted from alice and became Reserving.",
            "CancellationRequested by bob: the order became Cancelling (CancelledByClient).",
            "FundsReleased: the order became Cancelled.",
        }));
    }

    [Test]
    public void Should_advise_nothing_about_an_order_that_is_not_late()
    {
        var facts = Waiting(isStuck: false);
        facts.Order!.Wait.Since = Now.AddSeconds(-3).ToTimestamp();
        Assert.That(OrderAdvice.Of(facts), Is.Empty);
    }

    [Test]
    public void Should_advise_to_ask_again_without_a_visible_cause() =>
        Assert.That(OrderAdvice.Of(Waiting()), Has.One.Contains($"ops redrive {Id}"));

    [TestCase(DeadLetterKind.Failed)]
    [TestCase(DeadLetterKind.Parked)]
    public void Should_shorten_long_reasons(DeadLetterKind kind)
    {
        var cause = new DeadLetterCause(kind, "reserve-funds", "Contracts:ReserveFunds", "X", "Y");
        var facts = Waiting() with
        {
            Letters =
            [
                new DeadLetterMessage
                {
                    Cause = cause,
                    MessageId = "1",
                    OrderIds = [Id],
                    Reason = new string('m', 2000),
                    Body = "",
                    FailTime = Now,
                },
            ],
        };
        Assert.That(OrderAdvice.Of(facts).Single(), Has.Length.LessThan(500)
            .And.EndsWith($"ops dead-letters replay {cause.GroupId}."));
        Assert.That(StoryEvents.Of(facts).Select(x => x.Text), Has.All.Length.LessThan(500));
    }

    [Test]
    public void Should_name_a_failed_message_and_how_to_replay_it()
    {
        var cause = new DeadLetterCause(DeadLetterKind.Failed, "reserve-funds", "Contracts:ReserveFunds", "X", "Y");
        var letter = new DeadLetterMessage
        {
            Cause = cause,
            MessageId = "1",
            OrderIds = [Id],
            Reason = "no space left",
            Body = "{}",
            FailTime = Now.AddMinutes(-4),
        };
        var facts = Waiting() with { Letters = [letter, letter] };
        Assert.That(OrderAdvice.Of(facts).ToList(), Has.Count.EqualTo(1).And.One.Contains("no space left")
            .And.One.Contains($"ops dead-letters replay {cause.GroupId}"));
        Assert.That(StoryEvents.Of(facts).Select(x => x.Source),
            Is.EqualTo(new[] { "Order", "Order", "reserve-funds", "reserve-funds" }), "in time");
    }

    [Test]
    public void Should_name_a_pause_and_who_has_made_it()
    {
        var facts = Waiting();
        facts.Queues[0].Pause = new Queue { Name = "reserve-funds", Operator = "alice", Reason = "a bad release" };
        Assert.That(OrderAdvice.Of(facts), Has.One.Contains("paused by alice").And.One.Contains("a bad release"));
    }

    [Test]
    public void Should_name_a_queue_that_nobody_consumes()
    {
        var facts = Waiting();
        facts.Queues[0].Consumers = 0;
        Assert.That(OrderAdvice.Of(facts), Has.One.Contains("check that Account runs"));
        facts.Queues[0].Consumers = 1;
        facts.Queues[1].Consumers = 0;
        Assert.That(OrderAdvice.Of(facts), Has.One.Contains("check that Order runs"));
    }

    [Test]
    public void Should_name_a_queue_that_does_not_exist()
    {
        var facts = Waiting();
        (facts.Queues[0].IsMissing, facts.Queues[0].Consumers) = (true, 0);
        Assert.That(OrderAdvice.Of(facts), Has.One.Contains("reserve-funds does not exist")
            .And.One.Contains("check that Account runs"));
    }

    [TestCase("Reserving", null, "ReserveFunds was lost")]
    [TestCase("Reserving", "Held", "Account's answer was lost: its reservation is Held")]
    [TestCase("Cancelling", "Held", "ReleaseFunds was lost")]
    [TestCase("Cancelling", "Released", "Account's answer was lost")]
    [TestCase("Confirmed", "Held", "OrderConfirmed was lost")]
    [TestCase("Confirmed", "Captured", "Account's answer was lost")]
    public void Should_name_the_message_that_was_lost(string state, string? reservation, string expected)
    {
        var facts = Waiting(isStuck: false) with { Reservation = Ended(null, reservation).Reservation };
        facts.Order!.Order.State = state;
        Assert.That(OrderAdvice.Of(facts), Has.One.StartsWith(expected).And.One.Contains($"ops redrive {Id}"));
    }

    [Test]
    public void Should_not_call_a_message_lost_that_is_somewhere()
    {
        var handled = Waiting(isStuck: false);
        handled.Queues[0].Unacknowledged = 1;
        var queued = Waiting(isStuck: false);
        queued.Queues[1].Batches = 1;
        var unsent = Waiting(isStuck: false);
        unsent.Order!.PendingMessages.Add(new PendingMessage { State = PendingMessage.Types.State.Unsent });
        var unknown = Waiting(isStuck: false) with { IsBrokerReached = false, Queues = [] };
        foreach (var facts in new[] { handled, queued, unsent, unknown })
            Assert.That(OrderAdvice.Of(facts), Has.None.Contains("was lost"));
    }

    [Test]
    public void Should_name_the_source_that_does_not_answer_and_not_take_it_for_an_empty_one()
    {
        var facts = Ended(null, "Held") with { IsOrderReached = false };
        Assert.That(OrderAdvice.Of(facts), Has.Exactly(1).Items.And.One.StartsWith("No answer from Order"));
        Assert.That(OrderSituation.Of(facts), Does.StartWith("Order does not answer"));
        facts = Ended("Confirmed", null) with { IsAccountReached = false };
        Assert.That(OrderAdvice.Of(facts), Has.Exactly(1).Items.And.One.StartsWith("No answer from Account"));
        Assert.That(OrderSituation.Of(facts), Does.EndWith("Account does not answer."));
    }

    [Test]
    public void Should_name_what_keeps_a_message_in_the_outbox()
    {
        var facts = Waiting() with { Alarms = ["memory alarm on rabbit@a"] };
        facts.Order!.PendingMessages.Add(new PendingMessage
        {
            State = PendingMessage.Types.State.Unsent,
            MessageType = "Contracts:ReserveFunds",
            Error = "no route",
        });
        Assert.That(OrderAdvice.Of(facts), Has.One.Contains("memory alarm on rabbit@a")
            .And.One.Contains("ReserveFunds has not left the outbox").And.One.Contains("no route"));
    }

    [Test]
    public void Should_name_the_session_that_has_locked_the_account()
    {
        var facts = Waiting();
        facts.Reservation.AccountLock = "session 7 of user postgres (psql)";
        Assert.That(OrderAdvice.Of(facts), Has.One.Contains("locked by session 7 of user postgres (psql)"));
    }

    [Test]
    public void Should_name_a_build_that_is_behind() => Assert.That(
        OrderAdvice.Of(Ended("Shipping", "Held")), Has.One.Contains("finish the upgrade of Order"));

    [TestCase("Confirmed", "Captured", null)]
    [TestCase("Rejected", "Rejected", null)]
    [TestCase("Cancelled", "Released", null)]
    [TestCase("Confirmed", "Held", MismatchKind.ConfirmedNotCaptured)]
    [TestCase("Confirmed", "Released", MismatchKind.ConfirmedWithoutFunds)]
    [TestCase("Confirmed", null, MismatchKind.OrderWithoutReservation)]
    [TestCase("Cancelled", "Held", MismatchKind.HoldWithoutLiveOrder)]
    [TestCase("Cancelled", "Captured", MismatchKind.CapturedWithoutConfirmed)]
    [TestCase(null, "Held", MismatchKind.HoldWithoutLiveOrder)]
    public void Should_say_how_to_mend_what_does_not_match(string? state, string? reservation, object? kind) =>
        Assert.That(OrderAdvice.Of(Ended(state, reservation)),
            kind == null ? Is.Empty : Is.EqualTo(new[] { Mends.Of((MismatchKind)kind) }));
}
