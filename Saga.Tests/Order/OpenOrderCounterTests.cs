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
        Assert.That(_orders.Admit(Guid.NewGuid(), out var rejection), Is.Null);
        Assert.That(rejection, Is.SameAs(Full));
    }

    [TestCase(true, 0)]
    [TestCase(false, Limit)]
    public void Should_count_a_call_that_has_ended_only_if_it_has_made_its_order(bool committed, int room)
    {
        Admit(Limit).ForEach(x => End(x, committed));
        AssertRoom(room);
    }

    [Test]
    public void Should_leave_to_the_database_what_was_made_before_the_look()
    {
        Admit(3).ForEach(x => End(x, committed: true));
        var snapshot = _orders.BeginSnapshot();
        Assert.That((snapshot.InFlight.Length, snapshot.Admitted, snapshot.Committed), Is.EqualTo((0, 3, 3)));

        _orders.EndSnapshot(snapshot, open: 1, Limit, Full); // two have ended

        AssertRoom(Limit - 1);
    }

    [Test]
    public void Should_count_once_what_is_in_flight_during_the_look_whether_it_commits_then_or_not()
    {
        var calls = Admit(2);
        var snapshot = _orders.BeginSnapshot();
        Assert.That(snapshot.InFlight, Has.Length.EqualTo(2));
        End(calls[0], committed: true);

        _orders.EndSnapshot(snapshot, open: 0, Limit, Full); // the database does not count what was in flight

        AssertRoom(Limit - 2);
        End(calls[1], committed: false);
        AssertRoom(Limit - 1);
    }

    [Test]
    public void Should_count_what_is_admitted_during_the_look()
    {
        var snapshot = _orders.BeginSnapshot();
        var call = Admit(1)[0];
        _orders.EndSnapshot(snapshot, open: 1, Limit, Full);
        AssertRoom(Limit - 2);
        End(call, committed: true);
        AssertRoom(Limit - 2);
    }

    [Test]
    public void Should_take_the_limit_and_the_rejection_of_the_last_look()
    {
        var (less, none) = (new Rejection("less", TimeSpan.Zero), new Rejection("none", TimeSpan.Zero));
        _orders.EndSnapshot(_orders.BeginSnapshot(), open: 1, 2, less);
        AssertRoom(1);
        Admit(1);
        Assert.That(_orders.FindRejection(), Is.SameAs(less));
        _orders.EndSnapshot(_orders.BeginSnapshot(), open: 0, 0, none);
        Assert.That(_orders.FindRejection(), Is.SameAs(none));
    }

    [Test]
    public void Should_count_calls_that_are_refused_from_one_look_to_the_next()
    {
        Admit(Limit);
        _orders.FindRejection();
        _orders.Admit(Guid.NewGuid(), out _);
        var snapshot = _orders.BeginSnapshot();
        _orders.FindRejection();

        _orders.EndSnapshot(snapshot, open: 0, Limit, Full);

        Assert.That((snapshot.Rejected, _orders.BeginSnapshot().Rejected), Is.EqualTo((2, 1)));
    }

    [Test]
    public void Should_want_a_look_when_calls_are_refused_or_many_orders_were_made()
    {
        Assert.That(_orders.IsSnapshotDue, Is.False);
        var calls = Admit(Limit);
        Assert.That(_orders.IsSnapshotDue, Is.False, "in flight");
        _orders.FindRejection();
        Assert.That(_orders.IsSnapshotDue, Is.True, "refused");
        _orders.EndSnapshot(_orders.BeginSnapshot(), open: 0, Limit, Full);
        Assert.That(_orders.IsSnapshotDue, Is.False);
        End(calls[0], committed: true);
        Assert.That(_orders.IsSnapshotDue, Is.True, "an eighth of the limit, and one at least");
        _orders.EndSnapshot(_orders.BeginSnapshot(), open: 0, 0, Full);
        _orders.FindRejection();
        Assert.That(_orders.IsSnapshotDue, Is.False, "refused for another reason than what is open");
    }

    List<OpenOrderCounter.Call> Admit(int count) =>
        [.. Enumerable.Range(0, count).Select(_ => _orders.Admit(Guid.NewGuid(), out var rejection) ?? throw new AssertionException($"refused: {rejection!.Message}"))];

    static void End(OpenOrderCounter.Call call, bool committed)
    {
        using (call)
            if (committed)
                call.Committed();
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
