using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Saga.Servers;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging.Sagas;

[TestFixture(ConcurrencyMode.Pessimistic, false), TestFixture(ConcurrencyMode.Optimistic, false)]
[TestFixture(ConcurrencyMode.Pessimistic, true), TestFixture(ConcurrencyMode.Optimistic, true), Category("Integration")]
public sealed class When_a_saga_is_stored_in_postgres(ConcurrencyMode mode, bool grouped) : MessagingFixture(grouped)
{
    [Test]
    public async Task Should_count_200_concurrent_messages_of_one_instance()
    {
        var replica = await StartAsync();
        await StartAsync();
        var id = Guid.NewGuid();

        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => PublishAsync(replica, new IncrementTally(id, "busy"))));

        await WaitForCountAsync(id, 200);
        Assert.That(await Servers.Rabbit.QueuesAsync(Name), Does.Not.Contain("tally_error"));
    }

    [Test]
    public async Task Should_find_instances_by_an_expression()
    {
        var replica = await StartAsync();
        var (one, two, other, name) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid(), Unique("name"));
        await PublishAsync(replica, new IncrementTally(one, name));
        await PublishAsync(replica, new IncrementTally(two, name));
        await PublishAsync(replica, new IncrementTally(other, "other"));
        foreach (var id in new[] { one, two, other })
            await WaitForCountAsync(id, 1);

        await PublishAsync(replica, new IncrementTalliesByName(name));

        await WaitForCountAsync(one, 11);
        await WaitForCountAsync(two, 11);
        await WaitForCountAsync(other, 1);
    }

    [Test]
    public async Task Should_be_deleted_when_it_is_completed()
    {
        var replica = await StartAsync();
        var id = Guid.NewGuid();
        await PublishAsync(replica, new IncrementTally(id, "short"));
        await WaitForCountAsync(id, 1);
        await PublishAsync(replica, new CompleteTally(id));
        await WaitUntilAsync(() => QueryAsync(async db => !await db.Tallies.AnyAsync(x => x.CorrelationId == id)),
            "the saga to be deleted");
    }

    [Test]
    public async Task Should_receive_a_scheduled_reminder_unless_it_is_cancelled()
    {
        var replica = await StartAsync();
        var (reminded, cancelled) = (Guid.NewGuid(), Guid.NewGuid());
        foreach (var id in new[] { reminded, cancelled })
        {
            await PublishAsync(replica, new IncrementTally(id, "reminder"));
            await WaitForCountAsync(id, 1);
        }

        await PublishAsync(replica, new ScheduleReminder(reminded, TimeSpan.FromSeconds(1)));
        await PublishAsync(replica, new ScheduleReminder(cancelled, TimeSpan.FromHours(1)));
        await WaitUntilAsync(
            () => QueryAsync(db => db.Tallies.AnyAsync(x => x.CorrelationId == cancelled && x.ReminderToken != null)),
            "the reminder to be scheduled");
        await PublishAsync(replica, new CancelReminder(cancelled));
        await WaitUntilAsync(
            () => QueryAsync(db => db.Tallies.AnyAsync(x => x.CorrelationId == cancelled && x.ReminderToken == null)),
            "the reminder to be cancelled");

        await WaitForCountAsync(reminded, 101);
        await WaitForEmptyOutboxAsync(); // a reminder that is not cancelled stays there for an hour
        await WaitForCountAsync(cancelled, 1);
    }

    [Test]
    public async Task Should_be_loaded_without_a_message()
    {
        var replica = await StartAsync();
        var id = Guid.NewGuid();
        await PublishAsync(replica, new IncrementTally(id, "read"));
        await WaitForCountAsync(id, 1);
        var saga = await replica.Services.GetRequiredService<ILoadSagaRepository<Tally>>().Load(id);
        Assert.That(saga.Name, Is.EqualTo("read"));
    }

    Task<IHost> StartAsync() => StartReplicaAsync(configure: x => x.AddSagaStateMachine<TallyStateMachine, Tally>()
        .EntityFrameworkRepository(r =>
        {
            r.ConcurrencyMode = mode;
            r.ExistingDbContext<TestDbContext>();
            r.UsePostgres();
        }));

    Task WaitForCountAsync(Guid id, int count)
    {
        Tally? tally = null;
        // Transactions that conflict run one after the other, and many of them twice.
        return Wait.UntilAsync(async () =>
        {
            tally = await QueryAsync(db => db.Tallies.FirstOrDefaultAsync(x => x.CorrelationId == id));
            return tally?.Count == count;
        }, 4 * MaxWait, () => $"a count of {count}, not {tally?.Count}");
    }

    static Task PublishAsync(IHost replica, object message) =>
        replica.Services.GetRequiredService<IBus>().Publish(message);
}
