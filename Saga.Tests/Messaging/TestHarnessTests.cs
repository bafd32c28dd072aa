using MassTransit;
using MassTransit.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Saga.Servers;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

/// <summary>MassTransit's test harness, with its in-memory transport and a real database.</summary>
[TestFixture, Category("Integration")]
public sealed class When_a_test_harness_is_used
{
    readonly string _name = TestServers.NewName("harness");

    [Test]
    public async Task Should_not_build_the_bus_when_a_context_is_resolved()
    {
        var isBuilt = false;
        await using var provider = new ServiceCollection().AddLogging()
            .AddDbContext<TestDbContext>(o => o.UseNpgsql("Host=127.0.0.1"))
            .AddMassTransit(x =>
            {
                x.AddEntityFrameworkOutbox<TestDbContext>(o => o.UsePostgres().UseBusOutbox());
                x.UsingInMemory((_, _) => isBuilt = true);
            })
            .BuildServiceProvider(validateScopes: true);
        await using var scope = provider.CreateAsyncScope();

        _ = scope.ServiceProvider.GetRequiredService<TestDbContext>().Model;

        Assert.That(isBuilt, Is.False);
    }

    [Test]
    public async Task Should_consume_publish_and_store_sagas()
    {
        var servers = await TestServers.GetAsync();
        var database = await servers.Postgres.CreateDatabaseAsync(_name);
        await using var provider = new ServiceCollection()
            .AddSingleton(new ReceivedPongs())
            .AddDbContext<TestDbContext>(o => o.UseNpgsql(database))
            .AddMassTransitTestHarness(TextWriter.Null, x =>
            {
                x.SetTestTimeouts(testInactivityTimeout: TimeSpan.FromSeconds(30));
                x.AddEntityFrameworkOutbox<TestDbContext>(o =>
                {
                    o.UsePostgres();
                    o.UseBusOutbox();
                });
                x.AddConsumer<PingConsumer>();
                x.AddConsumer<PongConsumer>();
                x.AddSagaStateMachine<TallyStateMachine, Tally>().EntityFrameworkRepository(r =>
                {
                    r.ExistingDbContext<TestDbContext>();
                    r.UsePostgres();
                });
                x.AddConfigureEndpointsCallback((context, _, endpoint) =>
                    endpoint.UseEntityFrameworkOutbox<TestDbContext>(context));
            })
            .BuildServiceProvider(validateScopes: true);
        await using (var scope = provider.CreateAsyncScope())
            await scope.ServiceProvider.GetRequiredService<TestDbContext>().Database.EnsureCreatedAsync();
        var harness = await provider.StartTestHarness();

        await using (var scope = provider.CreateAsyncScope())
        {
            await scope.ServiceProvider.GetRequiredService<IPublishEndpoint>().Publish(new Ping("harness"));
            await scope.ServiceProvider.GetRequiredService<TestDbContext>().SaveChangesAsync();
        }

        var id = Guid.NewGuid();
        await harness.Bus.Publish(new IncrementTally(id, "harness"));

        Assert.That(await harness.Consumed.Any<Ping>());
        Assert.That(await harness.Consumed.Any<Pong>());
        await Wait.UntilAsync(async () =>
        {
            await using var scope = provider.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<TestDbContext>();
            return await db.Tallies.AnyAsync(x => x.CorrelationId == id);
        }, TimeSpan.FromSeconds(20), () => "the saga to be stored");
    }

    [OneTimeTearDown]
    public async Task DropDatabaseAsync() => await (await TestServers.GetAsync()).Postgres.DropDatabaseAsync(_name);
}
