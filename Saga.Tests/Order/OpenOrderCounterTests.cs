using Orders;

namespace Saga.Tests.Orders;

[TestFixture, Category("Unit")]
public sealed class When_open_orders_are_counted
{
    const int Limit = 4;

    static readonly Rejection Full = new("FULL", "full", TimeSpan.FromSeconds(1));

    OpenOrderCounter _orders = null!;

    [SetUp]
    public void SetUp() => _orders = new OpenOrderCounter(Limit, Full);

    [Test]
    public void Should_admit_calls_up_to_the_limit_and_reject_the_next()
    {
        Admit(Limit);
        Assert.That(_orders.Admit(Guid.NewGuid(), null, out var rejection), Is.Null);
        Assert.That(rejection, Is.SameAs(Full));
    }

    [TestCase(true, 0)]
    [TestCase(false, Limit)]
    public void Should_count_an_ended_call_only_if_its_order_is_committed(bool committed, int expected)
    {
        Admit(Limit).ForEach(x => End(x, committed));
        AssertFree(expected);
    }

    [Test]
    public void Should_count_a_call_that_ends_twice_once()
    {
        var call = Admit(Limit)[0];
        call.Dispose(); // its client no longer waits
        AssertFree(1);
        End(call, committed: true);
        AssertFree(1);
    }

    [Test]
    public void Should_count_orders_committed_before_the_snapshot_in_the_database_only()
    {
        Admit(3).ForEach(x => End(x, committed: true));
        var snapshot = _orders.BeginSnapshot();
        Assert.That((snapshot.InFlight.Length, snapshot.Admitted, snapshot.Committed), Is.EqualTo((0, 3, 3)));

        _orders.EndSnapshot(snapshot, open: 1, Limit, Full); // two of three are finished

        AssertFree(Limit - 1);
    }

    [Test]
    public void Should_count_an_order_in_flight_during_the_snapshot_once()
    {
        var calls = Admit(2);
        var snapshot = _orders.BeginSnapshot();
        Assert.That(snapshot.InFlight, Has.Length.EqualTo(2));
        End(calls[0], committed: true);

        _orders.EndSnapshot(snapshot, open: 0, Limit, Full); // the database does not count orders in flight

        AssertFree(Limit - 2);
        End(calls[1], committed: false);
        AssertFree(Limit - 1);
    }

    [Test]
    public void Should_count_orders_admitted_during_the_snapshot()
    {
        var snapshot = _orders.BeginSnapshot();
        var call = Admit(1)[0];
        _orders.EndSnapshot(snapshot, open: 1, Limit, Full);
        AssertFree(Limit - 2);
        End(call, committed: true);
        AssertFree(Limit - 2);
    }

    [Test]
    public void Should_apply_the_limit_and_the_rejection_of_the_last_snapshot()
    {
        var (less, none) = (new Rejection("R", "less", TimeSpan.Zero), new Rejection("R", "none", TimeSpan.Zero));
        _orders.EndSnapshot(_orders.BeginSnapshot(), open: 1, 2, less);
        AssertFree(1);
        Admit(1);
        Assert.That(_orders.FindRejection(null), Is.SameAs(less));
        _orders.EndSnapshot(_orders.BeginSnapshot(), open: 0, 0, none);
        Assert.That(_orders.FindRejection(null), Is.SameAs(none));
    }

    [Test]
    public void Should_count_rejected_calls_between_snapshots()
    {
        Admit(Limit);
        _orders.FindRejection(null);
        _orders.Admit(Guid.NewGuid(), null, out _);
        var snapshot = _orders.BeginSnapshot();
        _orders.FindRejection(null);

        _orders.EndSnapshot(snapshot, open: 0, Limit, Full);

        Assert.That((snapshot.Rejected, _orders.BeginSnapshot().Rejected), Is.EqualTo((2, 1)));
    }

    [Test]
    public void Should_request_a_snapshot_after_rejections_or_many_commits()
    {
        Assert.That(_orders.IsSnapshotDue, Is.False);
        var calls = Admit(Limit);
        Assert.That(_orders.IsSnapshotDue, Is.False, "orders in flight");
        _orders.FindRejection(null);
        Assert.That(_orders.IsSnapshotDue, Is.True, "a rejected call");
        _orders.EndSnapshot(_orders.BeginSnapshot(), open: 0, Limit, Full);
        Assert.That(_orders.IsSnapshotDue, Is.False);
        End(calls[0], committed: true);
        Assert.That(_orders.IsSnapshotDue, Is.True, "an eighth of the limit is committed, and at least one");
        _orders.EndSnapshot(_orders.BeginSnapshot(), open: 0, 0, Full);
        _orders.FindRejection(null);
        Assert.That(_orders.IsSnapshotDue, Is.False, "a call rejected for another reason than open orders");
    }

    List<OpenOrderCounter.Call> Admit(int count) =>
    [
        .. Enumerable.Range(0, count).Select(_ => _orders.Admit(Guid.NewGuid(), null, out var rejection)
            ?? throw new AssertionException($"rejected: {rejection!.Message}")),
    ];

    static void End(OpenOrderCounter.Call call, bool committed)
    {
        using (call)
            if (committed)
                call.Committed();
    }

    /// <summary>Asserts how many more calls are admitted, and ends them.</summary>
    void AssertFree(int expected)
    {
        var free = 0;
        List<OpenOrderCounter.Call> calls = [];
        while (_orders.Admit(Guid.NewGuid(), null, out _) is { } call)
        {
            calls.Add(call);
            free++;
        }

        calls.ForEach(x => x.Dispose());
        Assert.That(free, Is.EqualTo(expected));
    }

    [Test]
    public void Should_leave_places_for_others()
    {
        var ownersFull = new Rejection("OWNER_FULL", "full", TimeSpan.FromSeconds(1));
        var orders = new OpenOrderCounter(Limit, Full, ownerShare: 0.5, ownersFull);
        var first = orders.Admit(Guid.NewGuid(), "alice", out _)!;
        var second = orders.Admit(Guid.NewGuid(), "alice", out _)!;
        AssertRejected("alice", ownersFull);
        AssertRejected("bob", null);
        second.Dispose(); // has not committed
        AssertRejected("alice", null);
        first.Committed();
        first.Dispose();
        var third = orders.Admit(Guid.NewGuid(), "alice", out _);
        AssertRejected("alice", ownersFull);

        var snapshot = orders.BeginSnapshot();
        Assert.That(snapshot.CommittedOf, Is.EqualTo(new[] { ("alice", 1) }));
        orders.EndSnapshot(snapshot, 2, Limit, Full, new Dictionary<string, long> { ["alice"] = 1, ["bob"] = 1 });
        AssertRejected("alice", ownersFull);
        AssertRejected("bob", null);
        third!.Dispose();
        orders.EndSnapshot(orders.BeginSnapshot(), 0, Limit, Full);
        AssertRejected("alice", null);

        void AssertRejected(string owner, Rejection? expected) =>
            Assert.That(orders.FindRejection(owner), Is.SameAs(expected));
    }
}
