using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

/// <summary>The rows of messages that have an owner, and those whose owner has gone.</summary>
[TestFixture, Category("Integration")]
public sealed class When_messages_have_owners() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_let_nobody_else_claim_what_a_living_replica_sends()
    {
        var store = (await StartIdleReplicaAsync()).Services.GetRequiredService<OutboxStore<TestDbContext>>();
        var (owner, other) = (Guid.NewGuid(), Guid.NewGuid());
        await store.Heartbeat(new OutboxState { OutboxId = owner, Heartbeats = 1 }, default);
        await store.Heartbeat(new OutboxState { OutboxId = other, Heartbeats = 1 }, default);
        var id = await InsertAsync(owner);

        Assert.That(await store.Adopt([], default), Is.Zero);
        Assert.That(await store.Claim(other, retries: false, default), Is.Empty);

        // One that was taken for dead, and has counted a heartbeat since.
        await store.Adopt([new OutboxState { OutboxId = owner, Heartbeats = 7 }], default);
        Assert.That(await store.Claim(other, retries: false, default), Is.Empty);

        Assert.That(await store.Adopt([new OutboxState { OutboxId = owner, Heartbeats = 1 }], default), Is.EqualTo(1));
        var claimed = await store.Claim(other, retries: false, default);
        Assert.That(claimed.Select(x => (x.Id, x.OwnerId)), Is.EqualTo(new[] { (id, (Guid?)other) }));
        Assert.That(await store.Claim(other, retries: false, default), Is.Empty, "it is claimed");
        await store.Postpone(owner, id, 1, TimeSpan.Zero, park: false, "late", default);
        Assert.That((await OwnersAsync())[id], Is.EqualTo(other), "its owner sends it");
        var states = await store.Heartbeat(new OutboxState { OutboxId = other, Heartbeats = 1 }, default);
        Assert.That(states.Select(x => x.OutboxId), Has.Member(other).And.No.Member(owner));
        await store.Delete([id], default);
    }

    [Test]
    public async Task Should_release_and_find_only_the_messages_of_the_replica_that_asks()
    {
        var store = (await StartIdleReplicaAsync()).Services.GetRequiredService<OutboxStore<TestDbContext>>();
        var (owner, other) = (Guid.NewGuid(), Guid.NewGuid());
        await store.Heartbeat(new OutboxState { OutboxId = owner, Heartbeats = 1 }, default);
        await store.Heartbeat(new OutboxState { OutboxId = other, Heartbeats = 1 }, default);
        var (first, second, foreign) = (await InsertAsync(owner), await InsertAsync(owner), await InsertAsync(other));

        await store.Release(owner, [first, foreign], default);
        Assert.That((await store.FindOwn(owner, default)).Select(x => x.Id), Is.EqualTo(new[] { second }));
        await store.Release(owner, [second], default);
        Assert.That(await store.FindOwn(owner, default), Is.Empty);
        var owners = await OwnersAsync();
        Assert.That(new[] { owners[first], owners[second], owners[foreign] },
            Is.EqualTo(new Guid?[] { null, null, other }));
        await store.Delete([first, second, foreign], default);
    }

    Task<Dictionary<Guid, Guid?>> OwnersAsync() =>
        QueryAsync(db => db.Set<OutboxMessage>().ToDictionaryAsync(x => x.Id, x => x.OwnerId));

    [Test]
    public async Task Should_send_what_a_replica_left_that_never_said_that_it_ended()
    {
        var dead = Guid.NewGuid();
        var idle = (await StartIdleReplicaAsync()).Services.GetRequiredService<OutboxStore<TestDbContext>>();
        await idle.Heartbeat(new OutboxState { OutboxId = dead }, default);
        var name = Unique("left");
        var killed = await StartReplicaAsync(o => o.UseBusOutbox(b => b.DisableDeliveryService()),
            withConsumers: false);
        await InScopeAsync(killed, async (db, scope) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
            foreach (var row in db.ChangeTracker.Entries<OutboxMessage>())
                row.Entity.OwnerId = dead;
            await db.SaveChangesAsync();
        });

        await StartReplicaAsync();

        await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();
        Assert.That(await QueryAsync(db => db.Set<OutboxState>().AnyAsync(x => x.OutboxId == dead)), Is.False);
    }

    [Test]
    public async Task Should_own_nothing_after_it_has_stopped()
    {
        var replica = await StartReplicaAsync();
        var owner = replica.Services.GetRequiredService<OutboxOwner<TestDbContext>>().Id;
        await WaitUntilAsync(() => QueryAsync(db => db.Set<OutboxState>()
            .AnyAsync(x => x.OutboxId == owner && x.Heartbeats > 1)), "heartbeats");
        var id = await InsertAsync(owner);

        await replica.StopAsync();

        Assert.That(await QueryAsync(db => db.Set<OutboxState>().AnyAsync(x => x.OutboxId == owner)), Is.False);
        Assert.That(await QueryAsync(db => db.Set<OutboxMessage>().SingleAsync(x => x.Id == id)),
            Has.Property(nameof(OutboxMessage.OwnerId)).Null);
        await QueryAsync(db => db.Set<OutboxMessage>().Where(x => x.Id == id).ExecuteDeleteAsync());
    }

    /// <summary>Inserts a message that is due for builds which know no owners.</summary>
    Task<Guid> InsertAsync(Guid ownerId) => QueryAsync(async db =>
    {
        var message = new OutboxMessage
        {
            Id = Guid.NewGuid(),
            MessageId = Guid.NewGuid(),
            SentTime = DateTime.UtcNow,
            EnqueueTime = DateTime.UtcNow.AddSeconds(-1),
            DestinationAddress = "exchange:nowhere",
            OwnerId = ownerId,
        };
        db.Add(message);
        await db.SaveChangesAsync();
        return message.Id;
    });
}
