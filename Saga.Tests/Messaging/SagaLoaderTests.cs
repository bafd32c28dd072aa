using MassTransit;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Saga.Servers;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_sagas_are_loaded_together() : MessagingFixture(grouped: true)
{
    int _come; // messages

    [Test]
    public async Task Should_ask_once_for_all_that_are_asked_for_meanwhile()
    {
        var loads = new ErrandLoads(holdsFirst: true);
        var loader = (await StartAsync(loads)).Services.GetRequiredService<SagaLoader<Errand>>();
        var ids = await InsertAsync(60);

        var found = ids.Append(Guid.CreateVersion7()).Select(loader.Load).ToList();
        await loads.FirstIsHeld.WaitAsync(Patience);
        loads.Release();
        var errands = await Task.WhenAll(found).WaitAsync(Patience);

        Assert.That(loads.Count, Is.EqualTo(2), "the first, and all others");
        Assert.That(errands.Select(x => x?.CorrelationId), Is.EqualTo(ids.Select(x => (Guid?)x).Append(null)));
    }

    [Test]
    public async Task Should_give_each_who_asks_for_the_same_one_a_copy_of_its_own()
    {
        var loader = (await StartAsync(null)).Services.GetRequiredService<SagaLoader<Errand>>();
        var id = (await InsertAsync(1))[0];

        var copies = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => loader.Load(id))).WaitAsync(Patience);

        Assert.That(copies, Has.All.Property(nameof(Errand.CorrelationId)).EqualTo(id));
        Assert.That(copies, Is.Unique);
    }

    [Test]
    public async Task Should_load_for_messages_of_many_instances_by_few_queries()
    {
        var loads = new ErrandLoads(holdsFirst: true);
        var replica = await StartAsync(loads);
        var ids = await InsertAsync(12); // fewer than the endpoint handles at once

        await Task.WhenAll(ids.Select(x => replica.Services.GetRequiredService<IBus>().Publish(new Run(x))));
        await loads.FirstIsHeld.WaitAsync(Patience);
        await Wait.UntilAsync(() => Task.FromResult(Volatile.Read(ref _come) == ids.Length), Patience, () => "all to come"); // and to ask, at once
        loads.Release();

        await Wait.UntilAsync(async () => await QueryAsync(db => db.Set<Errand>().CountAsync(x => ids.Contains(x.CorrelationId) && x.Count == 1)) == ids.Length,
            Patience, () => "all to have run once");
        Assert.That(loads.Count, Is.LessThanOrEqualTo(ids.Length / 2));
    }

    Task<IHost> StartAsync(ErrandLoads? loads) => StartReplicaAsync(consumes: false, more: x =>
    {
        x.AddConfigureEndpointsCallback((_, _, endpoint) => endpoint.UseExecute(_ => Interlocked.Increment(ref _come)));
        x.AddErrands(keepNew: false, loads);
    });

    async Task<Guid[]> InsertAsync(int count)
    {
        var errands = Enumerable.Range(0, count).Select(_ => new Errand { CorrelationId = Guid.CreateVersion7(), CurrentState = "Underway" }).ToList();
        await QueryAsync(db =>
        {
            db.AddRange(errands);
            return db.SaveChangesAsync();
        });
        return [.. errands.Select(x => x.CorrelationId)];
    }
}
