using MassTransit;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Saga.Servers;

namespace Saga.Tests.Messaging;

/// <summary>What is sent is what was committed, whatever the caller does with its transaction.</summary>
[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_a_transaction_goes_wrong(bool grouped) : MessagingFixture(grouped)
{
    [Test]
    public async Task Should_send_what_a_repeated_transaction_commits()
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
        await ArrivesAsync(name);
        await OutboxIsEmptyAsync();
    }

    [Test]
    public async Task Should_send_what_a_repeated_unit_of_work_commits()
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
        await ArrivesAsync(name);
        await OutboxIsEmptyAsync();
    }

    [Test]
    public async Task Should_not_send_what_a_savepoint_took_back()
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
        await ArrivesAsync(before);
        await OutboxIsEmptyAsync();
        Assert.That(Arrivals.Of(after), Is.Empty);
    }

    [Test]
    public async Task Should_not_send_nor_pretend_when_a_statement_had_failed()
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
        await ArrivesAsync(later);
        await OutboxIsEmptyAsync();
        Assert.That(Arrivals.Of(name), Is.Empty);
    }

    [Test]
    public async Task Should_keep_what_an_outer_filter_did_in_the_scope()
    {
        await StartReplicaAsync(consumes: false, more: x =>
        {
            x.AddConsumer<PingConsumer>();
            x.AddConfigureEndpointsCallback((context, _, endpoint) => endpoint.UseConsumeFilter<SigningFilter>(context));
        });
        var name = Unique("signed");

        await (await StartReplicaAsync(consumes: false)).Services.GetRequiredService<IBus>().Publish(new Ping(name));

        await Wait.UntilAsync(async () => await EffectsAsync(name) == 1, Patience, () => "the effect");
        Assert.That(await EffectsAsync($"signed {name}"), Is.EqualTo(1));
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
