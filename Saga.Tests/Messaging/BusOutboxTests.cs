using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using Saga.Servers;

namespace Saga.Tests.Messaging;

[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_messages_leave_outside_a_consumer(bool grouped) : MessagingFixture(grouped)
{
    [Test]
    public async Task Should_send_after_save_changes_and_not_before()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("rpc");
        await InScopeAsync(replica, async (db, scope) =>
        {
            db.Add(new Effect { Name = name });
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
            await Task.Delay(300);
            Assert.That(Arrivals.Of(name), Is.Empty);
            await db.SaveChangesAsync();
        });
        await ArrivesAsync(name);
        await OutboxIsEmptyAsync();
    }

    [Test]
    public async Task Should_give_ids_in_the_order_of_time()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("ordered");
        await InScopeAsync(replica, async (db, scope) =>
        {
            var publisher = scope.GetRequiredService<IPublishEndpoint>();
            var queue = await scope.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("queue:pong"));
            for (var i = 0; i < 30; i++)
            {
                await publisher.Publish(new Pong($"{name} {i}"));
                await queue.Send(new Pong($"{name} sent {i}"));
                await replica.Services.GetRequiredService<IBus>().Publish(new Pong($"{name} by the bus {i}"));
            }

            await db.SaveChangesAsync();
        });
        List<Guid?> ids = [];
        foreach (var pong in Enumerable.Range(0, 30).SelectMany(i => new[] { $"{name} {i}", $"{name} sent {i}", $"{name} by the bus {i}" }))
        {
            await ArrivesAsync(pong);
            ids.Add(Arrivals.Of(pong)[0].MessageId);
        }

        var sorted = await QueryAsync(db => db.Database.SqlQueryRaw<Guid>("""select unnest as "Value" from unnest({0}) order by 1""", ids).ToListAsync());
        Assert.That(ids, Is.EqualTo(sorted.Select(x => (Guid?)x)));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Should_send_when_the_callers_transaction_commits(bool commits)
    {
        var replica = await StartReplicaAsync();
        var (name, later) = (Unique("transaction"), Unique("later"));
        await InScopeAsync(replica, async (db, scope) =>
        {
            var publisher = scope.GetRequiredService<IPublishEndpoint>();
            await using (var transaction = await db.Database.BeginTransactionAsync())
            {
                await publisher.Publish(new Pong(name));
                await db.SaveChangesAsync();
                await Task.Delay(300);
                Assert.That(Arrivals.Of(name), Is.Empty);
                if (commits)
                    await transaction.CommitAsync();
            }

            await publisher.Publish(new Pong(later));
            await db.SaveChangesAsync();
        });
        await ArrivesAsync(later);
        if (commits)
            await ArrivesAsync(name);
        await OutboxIsEmptyAsync();
        Assert.That(Arrivals.Of(name), Has.Length.EqualTo(commits ? 1 : 0));
    }

    [Test]
    public async Task Should_not_send_when_save_changes_fails()
    {
        var replica = await StartReplicaAsync();
        var (name, later) = (Unique("failed"), Unique("later"));
        await InScopeAsync(replica, async (db, scope) =>
        {
            db.Add(new Tally { CorrelationId = Guid.NewGuid(), CurrentState = new string('x', 65) });
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
            Assert.That(() => db.SaveChangesAsync(), Throws.InstanceOf<DbUpdateException>());
            db.ChangeTracker.Clear();
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(later));
            await db.SaveChangesAsync();
        });
        await ArrivesAsync(later);
        Assert.That(Arrivals.Of(name), Is.Empty);
        await OutboxIsEmptyAsync();
    }

    [Test]
    public async Task Should_be_sent_by_another_replica_when_the_first_dies_between_commit_and_send()
    {
        // A replica that commits and never sends is what one looks like that was killed right after its commit.
        var dead = await StartReplicaAsync(o => o.UseBusOutbox(b => b.DisableDeliveryService()), consumes: false);
        var names = Enumerable.Range(0, 20).Select(i => Unique($"left {i}")).ToList();
        foreach (var name in names)
            await InScopeAsync(dead, async (db, scope) =>
            {
                await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
                await db.SaveChangesAsync();
            });
        var left = await OutboxAsync();
        Assert.That(left, Has.Count.EqualTo(20));

        await StartReplicaAsync();
        await StartReplicaAsync();

        foreach (var name in names)
            await ArrivesAsync(name);
        await OutboxIsEmptyAsync();
        Assert.That(names.Select(x => Arrivals.Of(x).Length), Has.All.EqualTo(1));
        Assert.That(names.Select(x => Arrivals.Of(x)[0].MessageId), Is.EquivalentTo(left.Select(x => (Guid?)x.MessageId)), "by which the inbox knows a repeat");
    }

    [Test]
    public async Task Should_park_what_cannot_be_sent_and_send_the_rest()
    {
        // MassTransit declares a fanout exchange of this name, which the broker refuses, for it is a direct one.
        await using (var connection = await new ConnectionFactory { Uri = new Uri(Servers.Rabbit.Amqp(Name)) }.CreateConnectionAsync())
        await using (var channel = await connection.CreateChannelAsync())
            await channel.ExchangeDeclareAsync("cannot-be", ExchangeType.Direct, durable: true);
        var replica = await StartReplicaAsync(o =>
        {
            o.MaxDeliveryAttempts = 2;
            o.UseBusOutbox(b => b.MessageDeliveryTimeout = TimeSpan.FromSeconds(2));
        });
        var name = Unique("good");

        await InScopeAsync(replica, async (db, scope) =>
        {
            var endpoint = await scope.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("exchange:cannot-be"));
            await endpoint.Send(new Pong("bad"));
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
            await db.SaveChangesAsync();
        });

        await ArrivesAsync(name);
        await Wait.UntilAsync(async () => (await OutboxAsync()).Any(x => x.Parked != null), Patience, () => "the message to be parked");
        var parked = (await OutboxAsync()).Single(x => x.Parked != null);
        Assert.That(parked.LastError, Is.Not.Empty);
        Assert.That(parked.Attempts, Is.EqualTo(2));
        Assert.That(Log.Contains(LogLevel.Critical, "is parked after 2 attempts"));
        await QueryAsync(db => db.Set<MassTransit.EntityFrameworkCoreIntegration.OutboxMessage>().ExecuteDeleteAsync());
    }

    [Test]
    public async Task Should_wait_for_a_queue_when_one_is_required()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var name = Unique("mandatory");
        await InScopeAsync(replica, async (db, scope) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Letter(name), x => x.Mandatory = true);
            await db.SaveChangesAsync();
        });
        await Wait.UntilAsync(async () => (await OutboxAsync()).Any(x => x.Attempts > 0 && x.MessageType.Contains(nameof(Letter))), Patience, () => "a refused try");

        await StartReplicaAsync(more: x => x.AddConsumer<LetterConsumer>());

        await ArrivesAsync(name);
        await OutboxIsEmptyAsync();
    }
}
