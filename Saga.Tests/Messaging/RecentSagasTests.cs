using MassTransit;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Saga.Servers;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_new_instances_are_kept() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_load_it_for_the_second_message_and_not_for_the_first()
    {
        var loads = new ErrandLoads();
        var replica = await StartAsync(loads);
        var id = await BeginAsync(replica);

        await PublishAsync(replica, new Run(id));
        await CountIsAsync(id, 1);
        var first = loads.Count;
        await PublishAsync(replica, new Run(id));
        await CountIsAsync(id, 2);

        Assert.That((first, loads.Count), Is.EqualTo((0, 1)));
    }

    [TestCase("runs", 10)]
    [TestCase("ignores it as it was", 100)]
    [TestCase("fails on it as it was", 1000)]
    public async Task Should_take_the_step_on_what_is_stored_if_another_has_changed_it(string way, int expected)
    {
        var replica = await StartAsync();
        var id = await BeginAsync(replica);
        await QueryAsync(db => db.Set<Errand>().Where(x => x.CorrelationId == id).ExecuteUpdateAsync(set => set.SetProperty(x => x.CurrentState, "Recalled")));

        await PublishAsync(replica, way switch { "runs" => new Run(id), "ignores it as it was" => new Look(id), _ => new Mend(id) });

        await CountIsAsync(id, expected);
        Assert.That(await StateAsync(id), Is.EqualTo("Recalled"));
    }

    [Test]
    public async Task Should_let_a_message_fail_that_fails_on_what_is_stored_too()
    {
        var replica = await StartAsync();
        var id = await BeginAsync(replica);
        await PublishAsync(replica, new Mend(id));
        await Wait.UntilAsync(async () => (await Servers.Rabbit.QueuesAsync(Name)).Contains("errand_error"), Patience, () => "the message to fail");
        Assert.That(await StateAsync(id), Is.EqualTo("Underway"));
    }

    [Test]
    public async Task Should_count_each_of_many_messages_that_come_at_once()
    {
        var replica = await StartAsync();
        var id = await BeginAsync(replica);
        await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => PublishAsync(replica, new Run(id))));
        await CountIsAsync(id, 12);
    }

    [Test]
    public async Task Should_not_see_what_its_owner_does_with_it_after_the_commit()
    {
        var replica = await StartAsync();
        var id = await BeginAsync(replica, after: errand => errand.Count = 7);
        await PublishAsync(replica, new Run(id));
        await CountIsAsync(id, 1);
    }

    [Test]
    public async Task Should_not_know_one_that_was_not_committed()
    {
        var replica = await StartAsync();
        var id = Guid.CreateVersion7();
        await BeginAsync(replica, id);
        await PublishAsync(replica, new Run(id));
        await CountIsAsync(id, 1);

        Assert.That(() => BeginAsync(replica, id), Throws.InstanceOf<DbUpdateException>()); // it is there; nothing of this one is kept
        await PublishAsync(replica, new Run(id));
        await CountIsAsync(id, 2);
        Assert.That(ErrandMachine.Runs[id], Is.EqualTo(2), "a step on an instance that is not stored would be in vain");
    }

    [Test]
    public void Should_not_be_had_with_locks() => Assert.That(() => new ServiceCollection().AddMassTransit(x => x
        .AddSagaStateMachine<ErrandMachine, Errand>().EntityFrameworkRepository(r =>
        {
            r.KeepRecentSagas = true;
            r.ExistingDbContext<TestDbContext>();
        })), Throws.InstanceOf<ConfigurationException>());

    Task<IHost> StartAsync(ErrandLoads? loads = null) => StartReplicaAsync(consumes: false, more: x => x.AddErrands(keepNew: true, loads));

    static async Task<Guid> BeginAsync(IHost replica, Guid? id = null, Action<Errand>? after = null)
    {
        var errand = new Errand { CorrelationId = id ?? Guid.CreateVersion7(), CurrentState = "Underway" };
        await InScopeAsync(replica, async (db, scope) =>
        {
            db.Add(errand);
            await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
            after?.Invoke(errand);
        });
        return errand.CorrelationId;
    }

    static Task PublishAsync(IHost replica, object message) => replica.Services.GetRequiredService<IBus>().Publish(message);

    Task CountIsAsync(Guid id, int expected) => Wait.UntilAsync(async () => await QueryAsync(db => db.Set<Errand>()
        .AnyAsync(x => x.CorrelationId == id && x.Count == expected)), Patience, () => $"a count of {expected}");

    Task<string> StateAsync(Guid id) => QueryAsync(db => db.Set<Errand>().Where(x => x.CorrelationId == id).Select(x => x.CurrentState).SingleAsync());
}
