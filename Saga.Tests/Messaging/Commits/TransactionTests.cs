using MassTransit;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

/// <summary>Exactly the committed messages are sent, however the caller uses its transaction.</summary>
[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_a_transaction_fails_or_repeats(bool grouped) : MessagingFixture(grouped)
{
    [Test]
    public async Task Should_send_the_messages_of_a_repeated_transaction()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("repeated");
        await InScopeAsync(replica, async (db, scope) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
            await using (await db.Database.BeginTransactionAsync())
                await db.SaveChangesAsync(acceptAllChangesOnSuccess: false);
            await using var transaction = await db.Database.BeginTransactionAsync();
            await db.SaveChangesAsync(acceptAllChangesOnSuccess: false);
            await transaction.CommitAsync();
            db.ChangeTracker.AcceptAllChanges();
        });
        await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();
    }

    [Test]
    public async Task Should_send_the_messages_of_a_repeated_unit_of_work()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("unit");
        await InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            var tally = new Tally { CorrelationId = Guid.NewGuid(), CurrentState = new string('x', 65) };
            db.Add(tally);
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
            Assert.That(() => unit.CommitAsync(default), Throws.InstanceOf<DbUpdateException>());
            tally.CurrentState = "short";
            await unit.CommitAsync(default);
        });
        await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();
    }

    [Test]
    public async Task Should_not_send_messages_after_a_rollback_to_a_savepoint()
    {
        var replica = await StartReplicaAsync();
        var (before, after) = (Unique("before"), Unique("after"));
        await InScopeAsync(replica, async (db, scope) =>
        {
            var publisher = scope.GetRequiredService<IPublishEndpoint>();
            await using var transaction = await db.Database.BeginTransactionAsync();
            await publisher.Publish(new Pong(before));
            await db.SaveChangesAsync();
            await transaction.CreateSavepointAsync("here");
            await publisher.Publish(new Pong(after));
            await db.SaveChangesAsync();
            await transaction.RollbackToSavepointAsync("here");
            await transaction.CommitAsync();
        });
        await WaitForPongAsync(before);
        await WaitForEmptyOutboxAsync();
        Assert.That(Received.Named(after), Is.Empty);
    }

    [Test]
    public async Task Should_fail_the_commit_and_send_nothing_after_a_failed_statement()
    {
        var replica = await StartReplicaAsync();
        var (name, later) = (Unique("aborted"), Unique("later"));
        await InScopeAsync(replica, async (db, scope) =>
        {
            var publisher = scope.GetRequiredService<IPublishEndpoint>();
            await using (var transaction = await db.Database.BeginTransactionAsync())
            {
                await publisher.Publish(new Pong(name));
                await db.SaveChangesAsync();
                Assert.That(() => db.Database.ExecuteSqlRawAsync("select 1/0"), Throws.InstanceOf<PostgresException>());
                Assert.That(() => transaction.CommitAsync(), Throws.InstanceOf<PostgresException>());
            }

            await publisher.Publish(new Pong(later));
            await db.SaveChangesAsync();
        });
        await WaitForPongAsync(later);
        await WaitForEmptyOutboxAsync();
        Assert.That(Received.Named(name), Is.Empty);
    }

    [Test]
    public async Task Should_commit_the_changes_of_an_outer_filter()
    {
        await StartReplicaAsync(withConsumers: false, configure: x =>
        {
            x.AddConsumer<PingConsumer>();
            x.AddConfigureEndpointsCallback((context, _, endpoint) =>
                endpoint.UseConsumeFilter<SigningFilter>(context));
        });
        var name = Unique("signed");

        var sender = await StartReplicaAsync(withConsumers: false);
        await sender.Services.GetRequiredService<IBus>().Publish(new Ping(name));

        await WaitUntilAsync(async () => await CountEffectsAsync(name) == 1, "the effect");
        Assert.That(await CountEffectsAsync($"signed {name}"), Is.EqualTo(1));
    }

    sealed class SigningFilter(TestDbContext db) : IFilter<ConsumeContext<Ping>>
    {
        public Task Send(ConsumeContext<Ping> context, IPipe<ConsumeContext<Ping>> next)
        {
            db.Add(new Effect { Name = $"signed {context.Message.Name}" });
            return next.Send(context);
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("signing");
    }
}
