using MassTransit;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging.Sagas;

[TestFixture, Category("Integration")]
public sealed class When_concurrent_loads_share_a_query() : MessagingFixture(grouped: true)
{
    int _received; // messages

    [Test]
    public async Task Should_load_all_waiting_sagas_by_one_query()
    {
        var loads = new JobLoadCounter(blocksFirst: true);
        var loader = (await StartAsync(loads)).Services.GetRequiredService<SagaLoader<Job>>();
        var ids = await InsertAsync(60);

        var found = ids.Append(Guid.CreateVersion7()).Select(loader.Load).ToList();
        await loads.FirstLoadStarted.WaitAsync(MaxWait);
        loads.Release();
        var jobs = await Task.WhenAll(found).WaitAsync(MaxWait);

        Assert.That(loads.Count, Is.EqualTo(2), "one for the first saga and one for all others");
        Assert.That(jobs.Select(x => x?.CorrelationId), Is.EqualTo(ids.Select(x => (Guid?)x).Append(null)));
    }

    [Test]
    public async Task Should_return_a_separate_copy_to_each_caller()
    {
        var loader = (await StartAsync(null)).Services.GetRequiredService<SagaLoader<Job>>();
        var id = (await InsertAsync(1))[0];

        var copies = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => loader.Load(id))).WaitAsync(MaxWait);

        Assert.That(copies, Has.All.Property(nameof(Job.CorrelationId)).EqualTo(id));
        Assert.That(copies, Is.Unique);
    }

    [Test]
    public async Task Should_load_the_sagas_of_concurrent_messages_by_few_queries()
    {
        var loads = new JobLoadCounter(blocksFirst: true);
        var replica = await StartAsync(loads);
        var ids = await InsertAsync(12); // fewer than the concurrency limit of the endpoint

        await Task.WhenAll(ids.Select(x => replica.Services.GetRequiredService<IBus>().Publish(new AdvanceJob(x))));
        await loads.FirstLoadStarted.WaitAsync(MaxWait);
        await WaitUntilAsync(() => Volatile.Read(ref _received) == ids.Length, "all messages to be received");
        loads.Release();

        await WaitUntilAsync(async () => ids.Length == await QueryAsync(db =>
            db.Set<Job>().CountAsync(x => ids.Contains(x.CorrelationId) && x.Count == 1)), "every job to advance once");
        Assert.That(loads.Count, Is.LessThanOrEqualTo(ids.Length / 2));
    }

    Task<IHost> StartAsync(JobLoadCounter? loads) => StartReplicaAsync(withConsumers: false, configure: x =>
    {
        x.AddConfigureEndpointsCallback((_, _, endpoint) =>
            endpoint.UseExecute(_ => Interlocked.Increment(ref _received)));
        x.AddJobs(keepRecent: false, loads);
    });

    async Task<Guid[]> InsertAsync(int count)
    {
        var jobs = Enumerable.Range(0, count)
            .Select(_ => new Job { CorrelationId = Guid.CreateVersion7(), CurrentState = "Active" }).ToList();
        await QueryAsync(db =>
        {
            db.AddRange(jobs);
            return db.SaveChangesAsync();
        });
        return [.. jobs.Select(x => x.CorrelationId)];
    }
}
