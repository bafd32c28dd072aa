using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

/// <summary>What programs that were written for MassTransit's own package expect without any option.</summary>
[TestFixture, Category("Integration")]
public sealed class When_the_default_options_are_used() : MessagingFixture(grouped: false)
{
    [Test]
    public async Task Should_lose_no_concurrent_change_of_a_row_with_the_default_isolation()
    {
        var name = Unique("counter");
        await InScopeAsync(await StartReplicaAsync(configure:
            x => x.AddConsumer<CounterConsumer>()), async (db, services) =>
        {
            var counter = new Tally { CorrelationId = Guid.NewGuid(), CurrentState = "counter", Name = name };
            db.Add(counter);
            await db.SaveChangesAsync();
            await Task.WhenAll(Enumerable.Range(0, 20).Select(_ =>
                services.GetRequiredService<IBus>().Publish(new IncrementCounter(counter.CorrelationId))));
            await WaitUntilAsync(() => QueryAsync(x => x.Tallies.AnyAsync(
                t => t.CorrelationId == counter.CorrelationId && t.Count == 20)), "the counter to be 20");
        });
    }

    public sealed record IncrementCounter(Guid Id);

    sealed class CounterConsumer(TestDbContext db) : IConsumer<IncrementCounter>
    {
        public async Task Consume(ConsumeContext<IncrementCounter> context)
        {
            var counter = await db.Tallies.SingleAsync(x => x.CorrelationId == context.Message.Id);
            // Without the entity's version, which would detect the conflict, too.
            var next = counter.Count + 1;
            await db.Tallies.Where(x => x.CorrelationId == counter.CorrelationId)
                .ExecuteUpdateAsync(x => x.SetProperty(t => t.Count, next));
        }
    }

    [TestCase(ConcurrencyMode.Pessimistic)]
    [TestCase(ConcurrencyMode.Optimistic)]
    public async Task Should_store_what_a_filter_has_added_before_the_saga(ConcurrencyMode mode)
    {
        var replica = await StartReplicaAsync(withConsumers: false, outbox: false, configure: x =>
        {
            x.AddSagaStateMachine<TallyStateMachine, Tally>().EntityFrameworkRepository(r =>
            {
                r.ConcurrencyMode = mode;
                r.ExistingDbContext<TestDbContext>();
                r.UsePostgres();
            });
            x.AddConfigureEndpointsCallback((context, _, endpoint) =>
                endpoint.UseConsumeFilter(typeof(EffectFilter<>), context));
        });
        var (id, name) = (Guid.NewGuid(), Unique("filtered"));

        await replica.Services.GetRequiredService<IBus>().Publish(new IncrementTally(id, name));

        await WaitUntilAsync(() => QueryAsync(db => db.Tallies.AnyAsync(x => x.CorrelationId == id)), "the saga");
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(1));
    }

    sealed class EffectFilter<T>(TestDbContext db) : IFilter<ConsumeContext<T>> where T : class
    {
        public Task Send(ConsumeContext<T> context, IPipe<ConsumeContext<T>> next)
        {
            if (context.Message is IncrementTally { Name: var name })
                db.Add(new Effect { Name = name });
            return next.Send(context);
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("effect");
    }
}
