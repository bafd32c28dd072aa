using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Saga.Tests.Support;

namespace Saga.Tests.Messaging;

/// <summary>A message is owned by the replica that has committed it.</summary>
[TestFixture, Category("Unit")]
public sealed class When_replicas_own_messages
{
    const int RoundsUntilDead = 11; // the first finds the count

    readonly TestClock _time = new();
    FakeOutboxRows _rows = null!;
    OutboxOptions<DbContext> _options = null!;

    OutboxOwner<DbContext> NewOwner() => new(_rows, _options, new DatabaseClock<DbContext>(_time),
        NullLogger<OutboxOwner<DbContext>>.Instance);

    [SetUp]
    public void SetUp() => (_rows, _options) = (new FakeOutboxRows(), new OutboxOptions<DbContext>());

    [Test]
    public async Task Should_adopt_the_messages_of_a_replica_that_is_silent_for_ten_rounds()
    {
        var (dead, other) = (NewOwner(), NewOwner());
        await dead.Heartbeat(default);
        var message = Commit(dead);

        await HeartbeatsAsync(RoundsUntilDead - 1, other);
        Assert.That(OwnerOf(message), Is.EqualTo(dead.Id));
        await HeartbeatsAsync(1, other);
        Assert.That((OwnerOf(message), _rows.Heartbeats.Keys), Is.EqualTo(((Guid?)null, new[] { other.Id })));
    }

    [Test]
    public async Task Should_leave_its_messages_to_a_replica_that_lives_however_slow_it_is()
    {
        var (slow, other) = (NewOwner(), NewOwner());
        await slow.Heartbeat(default);
        var message = Commit(slow);
        for (var i = 0; i < 10; i++)
        {
            await HeartbeatsAsync(RoundsUntilDead - 2, other);
            await slow.Heartbeat(default);
        }

        Assert.That(OwnerOf(message), Is.EqualTo(slow.Id));
    }

    [Test]
    public async Task Should_count_no_round_while_the_database_is_away()
    {
        var (owner, other) = (NewOwner(), NewOwner());
        await owner.Heartbeat(default);
        await other.Heartbeat(default);
        var message = Commit(owner);
        _rows.Error = new NpgsqlException("away");
        for (var i = 0; i < 100; i++)
        {
            _time.Advance(1);
            Assert.That(() => other.Heartbeat(default), Throws.InstanceOf<NpgsqlException>());
        }

        _rows.Error = null;
        await HeartbeatsAsync(1, other);
        Assert.That(OwnerOf(message), Is.EqualTo(owner.Id));
    }

    [Test]
    public async Task Should_own_messages_again_after_others_took_it_for_dead()
    {
        _options.MessageDeliveryTimeout = TimeSpan.FromDays(1);
        var (paused, other) = (NewOwner(), NewOwner());
        await paused.Heartbeat(default);
        await HeartbeatsAsync(RoundsUntilDead, other);
        Assert.That(_rows.Heartbeats, Does.Not.ContainKey(paused.Id));

        await HeartbeatsAsync(1, paused);
        var message = Commit(paused);
        for (var i = 0; i < 5; i++)
        {
            await HeartbeatsAsync(RoundsUntilDead - 2, other);
            await HeartbeatsAsync(1, paused);
        }

        Assert.That(OwnerOf(message), Is.EqualTo(paused.Id));
    }

    [Test]
    public async Task Should_release_what_it_could_not_send_when_the_database_is_back()
    {
        var owner = NewOwner();
        var message = Commit(owner);
        owner.Release(new OutboxMessage { Id = message });
        _rows.Error = new NpgsqlException("away");
        Assert.That(() => owner.WriteReleases(default), Throws.InstanceOf<NpgsqlException>());

        _rows.Error = null;
        await owner.WriteReleases(default);
        Assert.That(OwnerOf(message), Is.Null);
    }

    /// <summary>A commit has failed, and is repeated with the same messages.</summary>
    [Test]
    public async Task Should_not_release_what_it_sends_after_all()
    {
        var (owner, message) = (NewOwner(), new OutboxMessage { Id = Guid.NewGuid() });
        owner.Release(message);
        Commit(owner, message.Id);
        owner.Keep(message);

        await owner.WriteReleases(default);
        Assert.That(OwnerOf(message.Id), Is.EqualTo(owner.Id));
    }

    /// <summary>The response of the commit was lost, so that nobody in the process knows the message.</summary>
    [TestCase(true)]
    [TestCase(false, Description = "a process that sends what its consumers have committed, and nothing else")]
    public async Task Should_release_its_messages_that_exist_for_longer_than_a_send_takes(bool delivers)
    {
        _options.Deliver = delivers;
        var owner = NewOwner();
        await HeartbeatsAsync(1, owner);
        var lost = Commit(owner);
        await HeartbeatsAsync(15, owner);
        Assert.That(OwnerOf(lost), Is.EqualTo(owner.Id), "its send may still be running");
        var sending = Commit(owner);
        await HeartbeatsAsync(14, owner);
        Assert.That(OwnerOf(lost), Is.EqualTo(owner.Id));
        await HeartbeatsAsync(1, owner);

        Assert.That((OwnerOf(lost), OwnerOf(sending)), Is.EqualTo(((Guid?)null, (Guid?)owner.Id)));
    }

    [Test]
    public async Task Should_not_release_what_it_has_claimed_again_meanwhile()
    {
        var owner = NewOwner();
        var message = Commit(owner);
        await HeartbeatsAsync(15, owner);
        Commit(owner, message); // released, and claimed by the same replica
        await HeartbeatsAsync(1, owner);

        Assert.That(OwnerOf(message), Is.EqualTo(owner.Id));
    }

    [Test]
    public async Task Should_release_its_messages_at_once_when_it_ends()
    {
        var owner = NewOwner();
        await owner.Heartbeat(default);
        var message = Commit(owner);

        await owner.Retire(default);

        Assert.That((OwnerOf(message), _rows.Heartbeats.Count), Is.EqualTo(((Guid?)null, 0)));
    }

    Guid? OwnerOf(Guid message) => _rows.Rows[message].Owner;

    /// <summary>Commits or claims a message for a replica.</summary>
    Guid Commit(OutboxOwner<DbContext> owner, Guid? id = null)
    {
        id ??= Guid.NewGuid();
        _rows.Rows[id.Value] = (owner.Id, _time.GetUtcNow().UtcDateTime);
        return id.Value;
    }

    /// <summary>Counts heartbeats, one a second, and searches after each.</summary>
    async Task HeartbeatsAsync(int count, OutboxOwner<DbContext> owner)
    {
        for (var i = 0; i < count; i++)
        {
            _time.Advance(1);
            await owner.Heartbeat(default);
            await owner.AdoptOrphans(default);
        }
    }
}
