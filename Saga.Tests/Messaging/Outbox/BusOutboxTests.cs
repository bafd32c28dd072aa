using System.Transactions;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Middleware.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_messages_are_sent_outside_a_consumer(bool grouped) : MessagingFixture(grouped)
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
            Assert.That(Received.Named(name), Is.Empty);
            await db.SaveChangesAsync();
        });
        await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();
    }

    [Test]
    public async Task Should_assign_message_ids_in_the_order_of_sending()
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
        for (var i = 0; i < 30; i++)
            foreach (var pong in new[] { $"{name} {i}", $"{name} sent {i}", $"{name} by the bus {i}" })
            {
                await WaitForPongAsync(pong);
                ids.Add(Received.Named(pong)[0].MessageId);
            }

        var sorted = await QueryAsync(db => db.Database.SqlQueryRaw<Guid>("""
            select unnest as "Value" from unnest({0}) order by 1
            """, ids).ToListAsync());
        Assert.That(ids, Is.EqualTo(sorted.Select(x => (Guid?)x)));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Should_send_when_the_callers_transaction_commits(bool commits)
    {
        var replica = await StartReplicaAsync(WithoutRecovery);
        var (name, later) = (Unique("transaction"), Unique("later"));
        await InScopeAsync(replica, async (db, scope) =>
        {
            var publisher = scope.GetRequiredService<IPublishEndpoint>();
            await using (var transaction = await db.Database.BeginTransactionAsync())
            {
                await publisher.Publish(new Pong(name));
                await db.SaveChangesAsync();
                await Task.Delay(300);
                Assert.That(Received.Named(name), Is.Empty);
                if (commits)
                    await transaction.CommitAsync();
            }

            await publisher.Publish(new Pong(later));
            await db.SaveChangesAsync();
        });
        await WaitForPongAsync(later);
        if (commits)
            await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();
        Assert.That(Received.Named(name), Has.Length.EqualTo(commits ? 1 : 0));
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
        await WaitForPongAsync(later);
        Assert.That(Received.Named(name), Is.Empty);
        await WaitForEmptyOutboxAsync();
    }

    [Test]
    public async Task Should_lose_nothing_that_is_committed_while_the_bus_starts()
    {
        for (var i = 0; i < 3; i++)
        {
            var queue = Unique("starting").Replace(' ', '-');
            var replica = await StartReplicaAsync(configure: x =>
            {
                x.AddOptions<MassTransitHostOptions>().PostConfigure(o => o.WaitUntilStarted = false);
                x.AddConsumer<PongConsumer>().Endpoint(e => e.Name = queue);
            }, withConsumers: false);
            var name = Unique("early");

            await InScopeAsync(replica, async (db, scope) =>
            {
                await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
                await db.SaveChangesAsync();
            });

            await WaitForPongAsync(name);
        }
    }

    [TestCase("TransactionScope")]
    [TestCase("UseTransaction")]
    [TestCase("a DbContext that AddDbContext did not make")]
    [TestCase("its transaction")]
    public async Task Should_send_at_once_after_a_commit_that_is_not_reported(string way)
    {
        var own = way is "a DbContext that AddDbContext did not make" or "its transaction";
        var replica = await StartReplicaAsync(WithoutRecovery,
            x => _ = own ? x.AddScoped(_ => NewContext()) : x);
        var (name, rolledBack) = (Unique("committed"), Unique("rolled back"));
        await InScopeAsync(replica, (db, scope) => SaveAsync(db, scope, rolledBack, commit: false));
        await InScopeAsync(replica, (db, scope) => SaveAsync(db, scope, name, commit: true));

        await WaitForPongAsync(name);
        Assert.That(Received.Named(rolledBack), Is.Empty);

        async Task SaveAsync(TestDbContext db, IServiceProvider scope, string pong, bool commit)
        {
            if (way == "a DbContext that AddDbContext did not make" && !commit)
                return; // its SaveChanges is its commit
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(pong));
            if (way == "TransactionScope")
            {
                using var ambient = new TransactionScope(TransactionScopeAsyncFlowOption.Enabled);
                await db.SaveChangesAsync();
                if (commit)
                    ambient.Complete();
            }
            else if (way == "UseTransaction")
            {
                await db.Database.OpenConnectionAsync();
                await using var transaction = await db.Database.GetDbConnection().BeginTransactionAsync();
                await db.Database.UseTransactionAsync(transaction);
                await db.SaveChangesAsync();
                if (commit)
                    await transaction.CommitAsync();
            }
            else if (way == "its transaction")
            {
                await using var transaction = await db.Database.BeginTransactionAsync();
                await db.SaveChangesAsync();
                if (commit)
                    await transaction.CommitAsync();
            }
            else
            {
                await db.SaveChangesAsync();
            }
        }
    }

    [Test]
    public async Task Should_leave_messages_at_once_to_the_replicas_that_deliver()
    {
        var silent = await StartReplicaAsync(o => o.UseBusOutbox(b => b.DisableDeliveryService()),
            withConsumers: false);
        await StartReplicaAsync();
        var name = Unique("left");

        await InScopeAsync(silent, async (db, scope) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
            await db.SaveChangesAsync();
        });

        await WaitForPongAsync(name);
    }

    [Test]
    public async Task Should_search_the_outbox_at_once_when_it_is_notified()
    {
        var silent = await StartReplicaAsync(o => o.UseBusOutbox(b => b.DisableDeliveryService()),
            withConsumers: false);
        var slow = await StartReplicaAsync(o => o.QueryDelay = TimeSpan.FromMinutes(10));
        var name = Unique("notified");
        await InScopeAsync(silent, async (db, scope) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
            await db.SaveChangesAsync();
        });

        slow.Services.GetRequiredService<IBusOutboxNotification>().Delivered();

        await WaitForPongAsync(name);
    }

    [Test]
    public async Task Should_send_from_another_replica_when_the_first_dies_between_commit_and_send()
    {
        // A replica without a delivery service commits and never sends, like one that was killed after each commit.
        var killed = await StartReplicaAsync(
            o => o.UseBusOutbox(b => b.DisableDeliveryService()), withConsumers: false);
        var names = Enumerable.Range(0, 20).Select(i => Unique($"unsent {i}")).ToList();
        foreach (var name in names)
            await InScopeAsync(killed, async (db, scope) =>
            {
                await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
                await db.SaveChangesAsync();
            });
        var unsent = await ReadOutboxAsync();
        Assert.That(unsent, Has.Count.EqualTo(20));

        await StartReplicaAsync();
        await StartReplicaAsync();

        foreach (var name in names)
            await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();
        Assert.That(names.Select(x => Received.Named(x).Length), Has.All.EqualTo(1));
        Assert.That(names.Select(x => Received.Named(x)[0].MessageId),
            Is.EquivalentTo(unsent.Select(x => (Guid?)x.MessageId)), "the inbox detects duplicates by the message id");
    }

    [Test]
    public async Task Should_park_a_message_that_cannot_be_sent_and_send_the_others()
    {
        // MassTransit declares a fanout exchange of this name, which the broker rejects: the existing one is direct.
        var factory = new ConnectionFactory { Uri = new Uri(Servers.Rabbit.Amqp(Name)) };
        await using (var connection = await factory.CreateConnectionAsync())
        await using (var channel = await connection.CreateChannelAsync())
            await channel.ExchangeDeclareAsync("direct-exchange", ExchangeType.Direct, durable: true);
        var replica = await StartReplicaAsync(o =>
        {
            o.MaxDeliveryAttempts = 2;
            o.UseBusOutbox(b => b.MessageDeliveryTimeout = TimeSpan.FromSeconds(2));
        });
        var name = Unique("good");

        await InScopeAsync(replica, async (db, scope) =>
        {
            var endpoints = scope.GetRequiredService<ISendEndpointProvider>();
            var endpoint = await endpoints.GetSendEndpoint(new Uri("exchange:direct-exchange"));
            await endpoint.Send(new Pong("bad"));
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
            await db.SaveChangesAsync();
        });

        await WaitForPongAsync(name);
        await WaitUntilAsync(async () => (await ReadOutboxAsync()).Any(x => x.Parked != null),
            "the message to be parked");
        var parked = (await ReadOutboxAsync()).Single(x => x.Parked != null);
        Assert.That(parked.LastError, Is.Not.Empty);
        Assert.That(parked.Attempts, Is.EqualTo(2));
        Assert.That(Log.Contains(LogLevel.Critical, "is parked after 2 attempts"));
        await QueryAsync(db => db.Set<OutboxMessage>().ExecuteDeleteAsync());
    }

    [Test]
    public async Task Should_send_a_mandatory_message_once_it_has_a_queue()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("mandatory");
        await InScopeAsync(replica, async (db, scope) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Letter(name), x => x.Mandatory = true);
            await db.SaveChangesAsync();
        });
        await WaitUntilAsync(
            async () => (await ReadOutboxAsync()).Any(x => x.Attempts > 0 && x.MessageType.Contains(nameof(Letter))),
            "an attempt to send the letter");

        await StartReplicaAsync(configure: x => x.AddConsumer<LetterConsumer>());

        await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();
    }
}
