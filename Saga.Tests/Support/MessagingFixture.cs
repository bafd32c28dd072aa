using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres;
using Messaging.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Saga.Attack;
using Saga.Servers;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Support;

/// <summary>
/// Runs the messaging libraries on a database and a virtual host that belong to the fixture, with as many replicas as a
/// test starts.
/// </summary>
/// <param name="grouped">
/// True for the configuration of the services: group commits, prepared statements and a separate channel with publisher
/// confirms. False for the defaults of the library.
/// </param>
public abstract class MessagingFixture(bool grouped)
{
    protected static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    readonly List<IHost> _replicas = [];
    string _database = "";

    protected bool Grouped => grouped;

    protected IServers Servers { get; private set; } = null!;

    protected string Name { get; } = TestServers.NewName("messaging");

    /// <summary>The pongs that any replica has consumed.</summary>
    protected ReceivedPongs Received { get; } = new();

    protected CapturedLog Log { get; } = new();

    [OneTimeSetUp]
    public async Task CreateDatabaseAndVirtualHostAsync()
    {
        Servers = await TestServers.GetAsync();
        _database = await Servers.Postgres.CreateDatabaseAsync(Name);
        await Servers.Rabbit.CreateVirtualHostAsync(Name);
        await using var db = NewContext();
        await db.Database.EnsureCreatedAsync();
    }

    [TearDown]
    public async Task StopReplicasAsync()
    {
        if (TestContext.CurrentContext.Result.FailCount > 0)
        {
            var queues = string.Join(", ", await Servers.Rabbit.QueuesAsync(Name));
            await TestContext.Progress.WriteLineAsync($"{string.Join('\n', Log.Last(60))}\nqueues: {queues}");
        }

        foreach (var replica in _replicas)
        {
            await replica.StopAsync();
            replica.Dispose();
        }

        _replicas.Clear();
    }

    [OneTimeTearDown]
    public async Task DropDatabaseAndVirtualHostAsync()
    {
        await Servers.Rabbit.DeleteVirtualHostAsync(Name);
        await Servers.Postgres.DropDatabaseAsync(Name);
    }

    /// <summary>Creates a proxy between a replica and the database.</summary>
    internal TcpProxy NewProxy()
    {
        var database = new NpgsqlConnectionStringBuilder(_database);
        return new TcpProxy(database.Host!, database.Port);
    }

    /// <summary>Starts a replica that consumes nothing and leaves the outbox and the inbox to the test.</summary>
    internal Task<IHost> StartIdleReplicaAsync(bool pooled = false) => StartReplicaAsync(o =>
    {
        o.UseBusOutbox(b => b.DisableDeliveryService());
        o.DisableInboxCleanupService();
    }, withConsumers: false, pooled: pooled);

    /// <summary>Has messages sent only right after their commits, for as long as a test takes.</summary>
    protected static void WithoutRecovery(IEntityFrameworkOutboxConfigurator outbox) =>
        outbox.QueryDelay = TimeSpan.FromMinutes(10);

    /// <summary>Starts a host that stands for one process of a service.</summary>
    /// <param name="configureOutbox">Changes the options of the outbox.</param>
    /// <param name="configure">Adds consumers and sagas.</param>
    /// <param name="withConsumers">Whether the replica consumes <see cref="Ping" /> and <see cref="Pong" />.</param>
    /// <param name="proxy">The proxy to the database, or null for a direct connection.</param>
    /// <param name="retries">Whether failed messages are retried.</param>
    /// <param name="outbox">Whether endpoints consume with the outbox.</param>
    internal async Task<IHost> StartReplicaAsync(Action<IEntityFrameworkOutboxConfigurator>? configureOutbox = null,
        Action<IBusRegistrationConfigurator>? configure = null, bool withConsumers = true, TcpProxy? proxy = null,
        bool retries = true, bool outbox = true, bool pooled = false)
    {
        var database = proxy == null
            ? _database
            : new NpgsqlConnectionStringBuilder(_database) { Host = "127.0.0.1", Port = proxy.Port }.ConnectionString;
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders().AddProvider(Log).SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(Received);
        if (pooled)
            builder.Services.AddDbContextPool<TestDbContext>(o => o.UseNpgsql(database));
        else
            builder.Services.AddDbContext<TestDbContext>(o => o.UseNpgsql(database));
        if (grouped)
            builder.Services.AddRabbitTransport<TestDbContext>();
        builder.Services.AddMassTransit(x =>
        {
            x.DisableUsageTelemetry();
            x.SetKebabCaseEndpointNameFormatter();
            x.AddEntityFrameworkOutbox<TestDbContext>(o =>
            {
                o.UsePostgres();
                o.UseBusOutbox();
                o.QueryDelay = TimeSpan.FromMilliseconds(200);
                o.OwnerTimeout = TimeSpan.FromSeconds(2);
                if (grouped)
                    o.IsolationLevel = IsolationLevel.ReadCommitted;
                o.GroupCommits = grouped;
                o.PrepareStatements = grouped;
                configureOutbox?.Invoke(o);
            });
            if (withConsumers)
            {
                x.AddConsumer<PingConsumer>();
                x.AddConsumer<PongConsumer>();
            }

            configure?.Invoke(x);
            x.AddConfigureEndpointsCallback((context, _, endpoint) =>
            {
                if (retries)
                    endpoint.UseMessageRetry(r =>
                    {
                        // EF Core wraps transient errors in an InvalidOperationException.
                        r.Ignore<InvalidOperationException>(e =>
                            !PostgresErrors.IsUnavailable(e) && !PostgresErrors.IsConflict(e));
                        r.Intervals([.. Enumerable.Range(0, 60).Select(i => TimeSpan.FromMilliseconds(5 * i))]);
                    });
                if (outbox)
                    endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
            });
            x.UsingRabbitMq((context, rabbit) =>
            {
                rabbit.Connect(Servers.Rabbit, Name);
                rabbit.UseSequentialMessageIds();
                rabbit.ConfigureEndpoints(context);
            });
        });
        builder.Services.AddOptions<MassTransitHostOptions>().Configure(o => o.WaitUntilStarted = true);
        var host = builder.Build();
        await host.StartAsync();
        _replicas.Add(host);
        return host;
    }

    protected TestDbContext NewContext() =>
        new(new DbContextOptionsBuilder<TestDbContext>().UseNpgsql(_database).Options);

    protected async Task<T> QueryAsync<T>(Func<TestDbContext, Task<T>> query)
    {
        await using var db = NewContext();
        return await query(db);
    }

    protected Task<int> CountEffectsAsync(string name) =>
        QueryAsync(db => db.Effects.CountAsync(x => x.Name == name));

    protected Task<List<OutboxMessage>> ReadOutboxAsync() =>
        QueryAsync(db => db.Set<OutboxMessage>().ToListAsync());

    protected Task WaitForPongAsync(string name) =>
        WaitUntilAsync(() => Received.Named(name).Length > 0, $"the pong {name}");

    protected Task WaitForEmptyOutboxAsync() =>
        WaitUntilAsync(async () => (await ReadOutboxAsync()).Count == 0, "the outbox to be empty");

    protected static Task WaitUntilAsync(Func<bool> condition, string description) =>
        WaitUntilAsync(() => Task.FromResult(condition()), description);

    /// <summary>Waits until the condition is true.</summary>
    /// <exception cref="TimeoutException">It is still false after <see cref="MaxWait" />.</exception>
    protected static Task WaitUntilAsync(Func<Task<bool>> condition, string description) =>
        Wait.UntilAsync(condition, MaxWait, () => description);

    /// <summary>Runs work in a new scope, as an RPC does.</summary>
    protected static async Task InScopeAsync(IHost replica, Func<TestDbContext, IServiceProvider, Task> work)
    {
        await using var scope = replica.Services.CreateAsyncScope();
        await work(scope.ServiceProvider.GetRequiredService<TestDbContext>(), scope.ServiceProvider);
    }

    /// <summary>Returns a name that no other test uses.</summary>
    protected static string Unique(string prefix) => $"{prefix} {Guid.NewGuid():N}";
}
