using System.Data.Common;
using Local.Host.Servers;
using MassTransit;
using Messaging.Postgres.Sagas;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_sagas_are_loaded_together() : MessagingFixture(grouped: true)
{
    int _come; // messages

    [Test]
    public async Task Should_ask_once_for_all_that_are_asked_for_meanwhile()
    {
        var loads = new HeldLoads();
        var loader = (await StartAsync(loads)).Services.GetRequiredService<SagaLoader<Errand>>();
        var ids = await InsertAsync(60);

        var found = ids.Append(Guid.CreateVersion7()).Select(loader.Load).ToList();
        await loads.FirstIsHeldAsync(Patience);
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
        var loads = new HeldLoads();
        var replica = await StartAsync(loads);
        var ids = await InsertAsync(12); // fewer than the endpoint handles at once

        await Task.WhenAll(ids.Select(x => replica.Services.GetRequiredService<IBus>().Publish(new Run(x))));
        await loads.FirstIsHeldAsync(Patience);
        await Wait.UntilAsync(() => Task.FromResult(Volatile.Read(ref _come) == ids.Length), Patience, () => "all to come"); // and to ask, at once
        loads.Release();

        await Wait.UntilAsync(async () => await QueryAsync(db => db.Set<Errand>().CountAsync(x => ids.Contains(x.CorrelationId) && x.Count == 1)) == ids.Length,
            Patience, () => "all to have run once");
        Assert.That(loads.Count, Is.LessThanOrEqualTo(ids.Length / 2));
    }

    Task<IHost> StartAsync(HeldLoads? loads) => StartReplicaAsync(consumes: false, more: x =>
    {
        x.AddConfigureEndpointsCallback((_, _, endpoint) => endpoint.UseExecute(_ => Interlocked.Increment(ref _come)));
        x.AddSagaStateMachine<ErrandMachine, Errand>().EntityFrameworkRepository(r =>
        {
            r.ConcurrencyMode = ConcurrencyMode.Optimistic;
            r.ExistingDbContext<TestDbContext>();
            r.UsePostgres();
        });
        if (loads != null)
            x.ConfigureDbContext<TestDbContext>((_, options) => options.AddInterceptors(loads));
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

    /// <summary>Counts the queries for errands, and holds the first.</summary>
    sealed class HeldLoads : DbCommandInterceptor
    {
        readonly TaskCompletionSource _begun = new(), _released = new();
        int _count;

        public int Count => Volatile.Read(ref _count);

        public Task FirstIsHeldAsync(TimeSpan patience) => _begun.Task.WaitAsync(patience);

        public void Release() => _released.SetResult();

        public override async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command, CommandEventData eventData,
            InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
        {
            if (command.CommandText.Contains("FROM \"Errand\"", StringComparison.Ordinal) && Interlocked.Increment(ref _count) == 1)
            {
                _begun.SetResult();
                await _released.Task.WaitAsync(Patience, cancellationToken);
            }

            return result;
        }
    }
}
