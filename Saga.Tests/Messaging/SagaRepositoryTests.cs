using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Saga.Servers;

namespace Saga.Tests.Messaging;

[TestFixture(ConcurrencyMode.Pessimistic, false), TestFixture(ConcurrencyMode.Optimistic, false), Category("Integration")]
[TestFixture(ConcurrencyMode.Pessimistic, true), TestFixture(ConcurrencyMode.Optimistic, true)]
public sealed class When_a_saga_is_kept_in_postgres(ConcurrencyMode mode, bool grouped) : MessagingFixture(grouped)
{
    [Test]
    public async Task Should_count_200_messages_at_once_on_one_instance()
    {
        var replica = await StartAsync();
        await StartAsync();
        var id = Guid.NewGuid();

        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => PublishAsync(replica, new Count(id, "busy"))));

        await CountsAsync(id, 200);
        Assert.That(await Servers.Rabbit.QueuesAsync(Name), Does.Not.Contain("tally_error"));
    }

    [Test]
    public async Task Should_find_instances_by_an_expression()
    {
        var replica = await StartAsync();
        var (one, two, other, name) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid(), Unique("name"));
        await PublishAsync(replica, new Count(one, name));
        await PublishAsync(replica, new Count(two, name));
        await PublishAsync(replica, new Count(other, "other"));
        foreach (var id in new[] { one, two, other })
            await CountsAsync(id, 1);

        await PublishAsync(replica, new CountByName(name));

        await CountsAsync(one, 11);
        await CountsAsync(two, 11);
        await CountsAsync(other, 1);
    }

    [Test]
    public async Task Should_be_deleted_when_it_is_completed()
    {
        var replica = await StartAsync();
        var id = Guid.NewGuid();
        await PublishAsync(replica, new Count(id, "short"));
        await CountsAsync(id, 1);
        await PublishAsync(replica, new Finish(id));
        await Wait.UntilAsync(() => QueryAsync(async db => !await db.Tallies.AnyAsync(x => x.CorrelationId == id)), Patience, () => "the saga to go");
    }

    [Test]
    public async Task Should_be_reminded_unless_it_forgets()
    {
        var replica = await StartAsync();
        var (reminded, forgetful) = (Guid.NewGuid(), Guid.NewGuid());
        foreach (var id in new[] { reminded, forgetful })
        {
            await PublishAsync(replica, new Count(id, "reminder"));
            await CountsAsync(id, 1);
            await PublishAsync(replica, new Remind(id));
            await Wait.UntilAsync(() => QueryAsync(db => db.Tallies.AnyAsync(x => x.CorrelationId == id && x.ReminderToken != null)), Patience, () => "the schedule");
        }

        await PublishAsync(replica, new Forget(forgetful));
        await Wait.UntilAsync(() => QueryAsync(db => db.Tallies.AnyAsync(x => x.CorrelationId == forgetful && x.ReminderToken == null)), Patience, () => "the schedule to go");

        await CountsAsync(reminded, 101);
        await OutboxIsEmptyAsync();
        await CountsAsync(forgetful, 1);
    }

    [Test]
    public async Task Should_be_loaded_outside_a_message()
    {
        var replica = await StartAsync();
        var id = Guid.NewGuid();
        await PublishAsync(replica, new Count(id, "read"));
        await CountsAsync(id, 1);
        var saga = await replica.Services.GetRequiredService<ILoadSagaRepository<Tally>>().Load(id);
        Assert.That(saga.Name, Is.EqualTo("read"));
    }

    Task<IHost> StartAsync() => StartReplicaAsync(more: x => x.AddSagaStateMachine<TallyMachine, Tally>().EntityFrameworkRepository(r =>
    {
        r.ConcurrencyMode = mode;
        r.ExistingDbContext<TestDbContext>();
        r.UsePostgres();
    }));

    Task CountsAsync(Guid id, int count)
    {
        Tally? tally = null;
        return Wait.UntilAsync(async () => (tally = await QueryAsync(db => db.Tallies.FirstOrDefaultAsync(x => x.CorrelationId == id)))?.Count == count,
            Patience, () => $"{count}, not {tally?.Count}");
    }

    static Task PublishAsync(IHost replica, object message) => replica.Services.GetRequiredService<IBus>().Publish(message);
}
