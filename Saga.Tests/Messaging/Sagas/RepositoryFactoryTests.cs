using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Testing;
using Microsoft.EntityFrameworkCore;
using Saga.Servers;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

/// <summary>A bus that is configured by hand, with a repository that is made without a container.</summary>
[TestFixture(true), TestFixture(false), Category("Integration")]
public sealed class When_a_saga_repository_is_made_without_a_container(bool optimistic)
{
    const int Count = 20;

    readonly string _name = TestServers.NewName("factory");
    Contexts _contexts = null!;

    [Test]
    public async Task Should_count_each_of_many_concurrent_messages_and_release_each_context()
    {
        _contexts = new Contexts(await (await TestServers.GetAsync()).Postgres.CreateDatabaseAsync(_name));
        await using (var db = _contexts.Create())
            await db.Database.EnsureCreatedAsync();
        var repository = optimistic
            ? EntityFrameworkSagaRepository<Tally>.CreateOptimistic(_contexts)
            : EntityFrameworkSagaRepository<Tally>.CreatePessimistic(_contexts);
        using var harness = new InMemoryTestHarness();
        harness.OnConfigureInMemoryReceiveEndpoint += endpoint =>
        {
            endpoint.UseMessageRetry(r => r.Immediate(100));
            endpoint.StateMachineSaga(new TallyStateMachine(), repository);
        };
        await harness.Start();
        try
        {
            var id = NewId.NextGuid();
            await Task.WhenAll(Enumerable.Range(0, Count)
                .Select(_ => harness.InputQueueSendEndpoint.Send(new IncrementTally(id, "factory"))));

            await Wait.UntilAsync(async () =>
            {
                await using var db = _contexts.Create();
                return (await db.Tallies.SingleOrDefaultAsync(x => x.CorrelationId == id))?.Count == Count;
            }, TimeSpan.FromSeconds(30), () => $"a count of {Count}");
        }
        finally
        {
            await harness.Stop();
        }

        Assert.That(_contexts.Scoped, Is.GreaterThanOrEqualTo(Count));
        Assert.That(_contexts.Released, Is.EqualTo(_contexts.Scoped));
    }

    [TearDown]
    public async Task DropDatabaseAsync() => await (await TestServers.GetAsync()).Postgres.DropDatabaseAsync(_name);

    sealed class Contexts(string database) : ISagaDbContextFactory<Tally>
    {
        int _released, _scoped;

        public int Released => _released;
        public int Scoped => _scoped;

        public TestDbContext Create() => new(new DbContextOptionsBuilder<TestDbContext>().UseNpgsql(database).Options);

        DbContext ISagaDbContextFactory<Tally>.Create() => Create();

        public DbContext CreateScoped<T>(ConsumeContext<T> context) where T : class
        {
            Interlocked.Increment(ref _scoped);
            return Create();
        }

        public ValueTask ReleaseAsync(DbContext dbContext)
        {
            Interlocked.Increment(ref _released);
            return dbContext.DisposeAsync();
        }
    }
}
