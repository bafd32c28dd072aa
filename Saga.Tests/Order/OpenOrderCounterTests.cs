using Orders;

namespace Saga.Tests.Unit;

[TestFixture, Category("Unit")]
public sealed class When_open_orders_are_counted
{
    const int Limit = 4;

    static readonly Rejection Full = new("full", TimeSpan.FromSeconds(1));

    OpenOrderCounter _orders = null!;

    [SetUp]
    public void SetUp() => _orders = new OpenOrderCounter(Limit, Full);

    [Test]
    public void Should_admit_as_many_as_may_be_open_and_refuse_the_next()
    {
        Admit(Limit);
        Assert.That(_orders.Admit(Guid.NewGuid(), out var refusal), Is.Null);
        Assert.That(refusal, Is.SameAs(Full));
    }

    [TestCase(true, 0)]
    [TestCase(false, Limit)]
    public void Should_count_a_call_that_has_ended_only_if_it_has_made_its_order(bool made, int room)
    {
        Admit(Limit).ForEach(x => End(x, made));
        AssertRoom(room);
    }

    [Test]
    public void Should_leave_to_the_database_what_was_made_before_the_look()
    {
        Admit(3).ForEach(x => End(x, made: true));
        var look = _orders.BeginLook();
        Assert.That((look.InFlight.Length, look.Admitted, look.Made), Is.EqualTo((0, 3, 3)));

        _orders.EndLook(look, open: 1, Limit, Full); // two have ended

        AssertRoom(Limit - 1);
    }

    [Test]
    public void Should_count_once_what_is_in_flight_during_the_look_whether_it_commits_then_or_not()
    {
        var calls = Admit(2);
        var look = _orders.BeginLook();
        Assert.That(look.InFlight, Has.Length.EqualTo(2));
        End(calls[0], made: true);

        _orders.EndLook(look, open: 0, Limit, Full); // the database does not count what was in flight

        AssertRoom(Limit - 2);
        End(calls[1], made: false);
        AssertRoom(Limit - 1);
    }

    [Test]
    public void Should_count_what_is_admitted_during_the_look()
    {
        var look = _orders.BeginLook();
        var call = Admit(1)[0];
        _orders.EndLook(look, open: 1, Limit, Full);
        AssertRoom(Limit - 2);
        End(call, made: true);
        AssertRoom(Limit - 2);
    }

    [Test]
    public void Should_take_the_limit_and_the_refusal_of_the_last_look()
    {
        var (less, none) = (new Rejection("less", TimeSpan.Zero), new Rejection("none", TimeSpan.Zero));
        _orders.EndLook(_orders.BeginLook(), open: 1, 2, less);
        AssertRoom(1);
        Admit(1);
        Assert.That(_orders.FindRejection(), Is.SameAs(less));
        _orders.EndLook(_orders.BeginLook(), open: 0, 0, none);
        Assert.That(_orders.FindRejection(), Is.SameAs(none));
    }

    [Test]
    public void Should_count_calls_that_are_refused_from_one_look_to_the_next()
    {
        Admit(Limit);
        _orders.FindRejection();
        _orders.Admit(Guid.NewGuid(), out _);
        var look = _orders.BeginLook();
        _orders.FindRejection();

        _orders.EndLook(look, open: 0, Limit, Full);

        Assert.That((look.Refused, _orders.BeginLook().Refused), Is.EqualTo((2, 1)));
    }

    [Test]
    public void Should_want_a_look_when_calls_are_refused_or_many_orders_were_made()
    {
        Assert.That(_orders.IsLookDue, Is.False);
        var calls = Admit(Limit);
        Assert.That(_orders.IsLookDue, Is.False, "in flight");
        _orders.FindRejection();
        Assert.That(_orders.IsLookDue, Is.True, "refused");
        _orders.EndLook(_orders.BeginLook(), open: 0, Limit, Full);
        Assert.That(_orders.IsLookDue, Is.False);
        End(calls[0], made: true);
        Assert.That(_orders.IsLookDue, Is.True, "an eighth of the limit, and one at least");
        _orders.EndLook(_orders.BeginLook(), open: 0, 0, Full);
        _orders.FindRejection();
        Assert.That(_orders.IsLookDue, Is.False, "refused for another reason than what is open");
    }

    List<OpenOrderCounter.Call> Admit(int count) =>
        [.. Enumerable.Range(0, count).Select(_ => _orders.Admit(Guid.NewGuid(), out var refusal) ?? throw new AssertionException($"refused: {refusal!.Message}"))];

    static void End(OpenOrderCounter.Call call, bool made)
    {
        using (call)
            if (made)
                call.Made();
    }

    void AssertRoom(int expected)
    {
        var room = 0;
        List<OpenOrderCounter.Call> calls = [];
        while (_orders.Admit(Guid.NewGuid(), out _) is { } call)
        {
            calls.Add(call);
            room++;
        }

        calls.ForEach(x => x.Dispose());
        Assert.That(room, Is.EqualTo(expected));
    }
}
