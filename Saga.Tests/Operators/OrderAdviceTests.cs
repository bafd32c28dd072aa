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
    public void Should_advise_nothing_about_an_order_that_is_not_late() =>
        Assert.That(OrderAdvice.Of(Waiting(isStuck: false)), Is.Empty);

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
    public void Should_name_a_queue_that_does_not_exist() => Assert.That(
        OrderAdvice.Of(Waiting() with { Queues = [] }), Has.One.Contains("reserve-funds does not exist"));

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
