using MassTransit;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging.Sagas;

/// <summary>Events that an RPC raises, in a program that chooses the names of its endpoints itself.</summary>
[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_an_event_is_raised_outside_a_consumer(bool grouped) : MessagingFixture(grouped)
{
    [TestCase(false)]
    [TestCase(true)]
    public async Task Should_send_what_the_saga_schedules_to_its_own_endpoint(bool byDefinition)
    {
        var replica = await StartAsync(byDefinition);
        var id = Guid.NewGuid();
        await RaiseAsync(replica, id, x => x.Increment, new IncrementTally(id, "rpc"));
        await RaiseAsync(replica, id, x => x.ScheduleReminder, new ScheduleReminder(id, TimeSpan.FromSeconds(1)));
        await WaitUntilAsync(() => QueryAsync(db => db.Tallies.AnyAsync(x => x.CorrelationId == id && x.Count == 101)),
            "the reminder");
    }

    [Test]
    public async Task Should_delete_a_completed_instance()
    {
        var replica = await StartAsync();
        var id = Guid.NewGuid();
        await RaiseAsync(replica, id, x => x.Increment, new IncrementTally(id, "short"));
        Assert.That(await CountAsync(id), Is.EqualTo(1));
        await RaiseAsync(replica, id, x => x.Complete, new CompleteTally(id));
        Assert.That(await CountAsync(id), Is.Zero);
    }

    Task<int> CountAsync(Guid id) => QueryAsync(db => db.Tallies.CountAsync(x => x.CorrelationId == id));

    /// <summary>Raises an event on the instance with the id, or on a new one.</summary>
    static Task RaiseAsync<T>(IHost replica, Guid id, Func<TallyStateMachine, Event<T>> @event, T message)
        where T : class =>
        InScopeAsync(replica, async (db, scope) =>
        {
            var tally = await db.Tallies.FindAsync(id) ?? db.Add(new Tally { CorrelationId = id }).Entity;
            await scope.GetRequiredService<ISagaEvents<Tally>>().Raise(tally,
                @event(scope.GetRequiredService<TallyStateMachine>()), message, default);
            await db.SaveChangesAsync();
        });

    Task<IHost> StartAsync(bool byDefinition = false) => StartReplicaAsync(configure: x =>
    {
        x.AddSagaEvents<Tally>();
        var saga = byDefinition
            ? x.AddSagaStateMachine<TallyStateMachine, Tally, TallyDefinition>()
            : x.AddSagaStateMachine<TallyStateMachine, Tally>().Endpoint(e => e.Name = "renamed-tallies");
        saga.EntityFrameworkRepository(r =>
        {
            r.ConcurrencyMode = ConcurrencyMode.Optimistic;
            r.ExistingDbContext<TestDbContext>();
        });
    });

    sealed class TallyDefinition : SagaDefinition<Tally>
    {
        public TallyDefinition() => EndpointName = "tallies-by-definition";
    }
}
