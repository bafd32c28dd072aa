using MassTransit;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging.Sagas;

[TestFixture, Category("Integration")]
public sealed class When_recent_sagas_are_kept() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_load_the_saga_for_the_second_message_but_not_for_the_first()
    {
        var loads = new JobLoadCounter();
        var replica = await StartAsync(loads);
        var id = await CreateAsync(replica);

        await PublishAsync(replica, new AdvanceJob(id));
        await WaitForCountAsync(id, 1);
        var first = loads.Count;
        await PublishAsync(replica, new AdvanceJob(id));
        await WaitForCountAsync(id, 2);

        Assert.That((first, loads.Count), Is.EqualTo((0, 1)));
    }

    [TestCase(nameof(AdvanceJob), 10)]
    [TestCase(nameof(InspectJob), 100, Description = "the kept state ignores it")]
    [TestCase(nameof(RepairJob), 1000, Description = "it fails in the kept state")]
    public async Task Should_handle_the_message_in_the_stored_state_when_the_kept_saga_is_stale(
        string command, int expected)
    {
        var replica = await StartAsync();
        var id = await CreateAsync(replica);
        await QueryAsync(db => db.Set<Job>().Where(x => x.CorrelationId == id)
            .ExecuteUpdateAsync(set => set.SetProperty(x => x.CurrentState, "Suspended")));

        await PublishAsync(replica, command switch
        {
            nameof(AdvanceJob) => new AdvanceJob(id),
            nameof(InspectJob) => new InspectJob(id),
            _ => new RepairJob(id),
        });

        await WaitForCountAsync(id, expected);
        Assert.That(await ReadStateAsync(id), Is.EqualTo("Suspended"));
    }

    [Test]
    public async Task Should_fail_a_message_that_fails_in_the_stored_state_too()
    {
        var replica = await StartAsync();
        var id = await CreateAsync(replica);
        await PublishAsync(replica, new RepairJob(id));
        await WaitUntilAsync(async () => (await Servers.Rabbit.QueuesAsync(Name)).Contains("job_error"),
            "the message to fail");
        Assert.That(await ReadStateAsync(id), Is.EqualTo("Active"));
    }

    [Test]
    public async Task Should_count_each_of_many_concurrent_messages()
    {
        var replica = await StartAsync();
        var id = await CreateAsync(replica);
        await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => PublishAsync(replica, new AdvanceJob(id))));
        await WaitForCountAsync(id, 12);
    }

    [Test]
    public async Task Should_keep_a_copy_that_the_caller_cannot_change_after_the_commit()
    {
        var replica = await StartAsync();
        var id = await CreateAsync(replica, afterCommit: job => job.Count = 7);
        await PublishAsync(replica, new AdvanceJob(id));
        await WaitForCountAsync(id, 1);
    }

    [Test]
    public async Task Should_not_keep_a_saga_that_was_not_committed()
    {
        var replica = await StartAsync();
        var id = Guid.CreateVersion7();
        await CreateAsync(replica, id);
        await PublishAsync(replica, new AdvanceJob(id));
        await WaitForCountAsync(id, 1);

        Assert.That(() => CreateAsync(replica, id), Throws.InstanceOf<DbUpdateException>()); // its key exists
        await PublishAsync(replica, new AdvanceJob(id));
        await WaitForCountAsync(id, 2);
        Assert.That(TestJobStateMachine.Advances[id], Is.EqualTo(2),
            "no attempt is made on the saga that was not stored");
    }

    [Test]
    public void Should_be_rejected_with_pessimistic_concurrency() => Assert.That(() => new ServiceCollection()
        .AddMassTransit(x => x.AddSagaStateMachine<TestJobStateMachine, Job>().EntityFrameworkRepository(r =>
        {
            r.KeepRecentSagas = true;
            r.ExistingDbContext<TestDbContext>();
        })), Throws.InstanceOf<ConfigurationException>());

    Task<IHost> StartAsync(JobLoadCounter? loads = null) =>
        StartReplicaAsync(withConsumers: false, configure: x => x.AddJobs(keepRecent: true, loads));

    static async Task<Guid> CreateAsync(IHost replica, Guid? id = null, Action<Job>? afterCommit = null)
    {
        var job = new Job { CorrelationId = id ?? Guid.CreateVersion7(), CurrentState = "Active" };
        await InScopeAsync(replica, async (db, scope) =>
        {
            db.Add(job);
            await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
            afterCommit?.Invoke(job);
        });
        return job.CorrelationId;
    }

    static Task PublishAsync(IHost replica, object message) =>
        replica.Services.GetRequiredService<IBus>().Publish(message);

    Task WaitForCountAsync(Guid id, int expected) => WaitUntilAsync(
        () => QueryAsync(db => db.Set<Job>().AnyAsync(x => x.CorrelationId == id && x.Count == expected)),
        $"a count of {expected}");

    Task<string> ReadStateAsync(Guid id) => QueryAsync(db =>
        db.Set<Job>().Where(x => x.CorrelationId == id).Select(x => x.CurrentState).SingleAsync());
}
