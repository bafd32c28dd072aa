using MassTransit;
using MassTransit.Contracts.JobService;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Saga.Servers;
using Saga.Tests.Support;

namespace Saga.Tests.Messaging;

/// <summary>The sagas that MassTransit itself has: those of job consumers and of futures.</summary>
[TestFixture(true), TestFixture(false), Category("Integration")]
public sealed class When_the_sagas_of_masstransit_are_stored(bool optimistic)
{
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    string _name = "";

    [SetUp]
    public void NameDatabase() => _name = TestServers.NewName("builtin");

    [Test]
    public async Task Should_complete_a_job()
    {
        await using var provider = await (optimistic
            ? StartAsync<OptimisticJobServiceSagaDbContext>(AddJobs) : StartAsync<JobServiceSagaDbContext>(AddJobs));
        var harness = provider.GetRequiredService<ITestHarness>();
        var id = NewId.NextGuid();

        await harness.GetRequestClient<SubmitJob<Brew>>().GetResponse<JobSubmissionAccepted>(
            new { JobId = id, Job = new Brew("tea"), Properties = new Dictionary<string, object> { ["cups"] = "2" } });

        await Wait.UntilAsync(() => harness.Published.Any<JobCompleted<Brew>>(x => x.Context.Message.JobId == id),
            MaxWait, () => "the job to be completed"); // the harness itself gives up after 1.2 s of silence
        Assert.That(harness.Published.Select<JobCompleted<Brew>>().Single().Context.Message.Job.Drink,
            Is.EqualTo("tea"));
        await using var scope = provider.CreateAsyncScope();
        DbContext db = optimistic ? scope.ServiceProvider.GetRequiredService<OptimisticJobServiceSagaDbContext>()
            : scope.ServiceProvider.GetRequiredService<JobServiceSagaDbContext>();
        await Wait.UntilAsync(() => db.Set<JobSaga>().AnyAsync(x => x.CorrelationId == id && x.Completed != null),
            MaxWait, () => "the completed job to be stored");
        var job = await db.Set<JobSaga>().SingleAsync(x => x.CorrelationId == id);
        Assert.That(job.JobProperties, Does.ContainKey("cups"));

        void AddJobs(IBusRegistrationConfigurator x)
        {
            x.AddConsumer<BrewConsumer>();
            x.SetJobConsumerOptions();
            x.AddJobSagaStateMachines(o => (o.FinalizeCompleted, o.SlotWaitTime) = (false, TimeSpan.FromSeconds(1)))
                .EntityFrameworkRepository(Configure<JobServiceSagaDbContext, OptimisticJobServiceSagaDbContext>);
        }
    }

    [Test]
    public async Task Should_complete_a_future_once_and_answer_again_from_its_state()
    {
        await using var provider = await (optimistic
            ? StartAsync<OptimisticFutureSagaDbContext>(AddFuture) : StartAsync<FutureSagaDbContext>(AddFuture));
        var client = provider.GetRequiredService<ITestHarness>().GetRequestClient<OrderTea>();
        var order = new OrderTea(NewId.NextGuid());

        var first = await client.GetResponse<TeaServed>(order);
        var second = await client.GetResponse<TeaServed>(order);

        Assert.That((first.Message.OrderId, second.Message.OrderId), Is.EqualTo((order.OrderId, order.OrderId)));
        Assert.That(provider.GetRequiredService<ITestHarness>().Consumed.Select<BoilWater>().Count(), Is.EqualTo(1));

        void AddFuture(IBusRegistrationConfigurator x)
        {
            x.AddConsumer<BoilWaterConsumer>();
            x.AddFuture<TeaFuture>();
            x.AddSagaRepository<FutureState>().EntityFrameworkRepository(Configure<FutureSagaDbContext,
                OptimisticFutureSagaDbContext>);
        }
    }

    void Configure<TPessimistic, TOptimistic>(IEntityFrameworkSagaRepositoryConfigurator repository)
        where TPessimistic : DbContext
        where TOptimistic : DbContext
    {
        if (optimistic)
            repository.ExistingDbContext<TOptimistic>();
        else
            repository.ExistingDbContext<TPessimistic>();
        repository.ConcurrencyMode = optimistic ? ConcurrencyMode.Optimistic : ConcurrencyMode.Pessimistic;
        repository.UsePostgres();
    }

    async Task<ServiceProvider> StartAsync<TDbContext>(Action<IBusRegistrationConfigurator> add)
        where TDbContext : DbContext
    {
        var database = await (await TestServers.GetAsync()).Postgres.CreateDatabaseAsync(_name);
        var provider = new ServiceCollection()
            .AddDbContext<TDbContext>(o => o.UseNpgsql(database))
            .AddMassTransitTestHarness(TextWriter.Null, x =>
            {
                add(x);
                x.AddConfigureEndpointsCallback((_, _, endpoint) => endpoint.UseMessageRetry(r => r.Immediate(20)));
                x.UsingInMemory((context, bus) =>
                {
                    bus.UseDelayedMessageScheduler();
                    bus.ConfigureEndpoints(context);
                });
            })
            .Configure<MassTransitHostOptions>(o => o.StopTimeout = TimeSpan.FromSeconds(1)) // jobs would be waited for
            .BuildServiceProvider(validateScopes: true);
        await using (var scope = provider.CreateAsyncScope())
            await scope.ServiceProvider.GetRequiredService<TDbContext>().Database.EnsureCreatedAsync();
        await provider.StartTestHarness();
        return provider;
    }

    [TearDown]
    public async Task DropDatabaseAsync() => await (await TestServers.GetAsync()).Postgres.DropDatabaseAsync(_name);

    public sealed record Brew(string Drink);

    public sealed record OrderTea(Guid OrderId);

    public sealed record BoilWater(Guid OrderId);

    public sealed record WaterBoiled(Guid OrderId);

    public sealed record TeaServed(Guid OrderId);

    sealed class BrewConsumer : IJobConsumer<Brew>
    {
        public Task Run(JobContext<Brew> context) => Task.CompletedTask;
    }

    sealed class BoilWaterConsumer : IConsumer<BoilWater>
    {
        public Task Consume(ConsumeContext<BoilWater> context) =>
            context.RespondAsync(new WaterBoiled(context.Message.OrderId));
    }

    sealed class TeaFuture : Future<OrderTea, TeaServed>
    {
        public TeaFuture()
        {
            ConfigureCommand(x => x.CorrelateById(context => context.Message.OrderId));
            SendRequest<BoilWater>(x => x.UsingRequestFactory(context => new BoilWater(context.Message.OrderId)))
                .OnResponseReceived<WaterBoiled>(x =>
                    x.SetCompletedUsingFactory(context => new TeaServed(context.Message.OrderId)));
        }
    }
}
