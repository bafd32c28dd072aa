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
using Service.Defaults;

namespace Saga.Tests.Messaging;

/// <summary>The library on a database and a virtual host of its own, with as many replicas as a test starts.</summary>
/// <param name="grouped">As the services have it: units of work commit together, by prepared statements, and messages leave on a channel of their own.</param>
public abstract class MessagingFixture(bool grouped)
{
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>How long a replica waits for a lock.</summary>
    protected static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(3);

    readonly List<IHost> _replicas = [];
    string _database = "";

    protected bool Grouped => grouped;

    protected IServers Servers { get; private set; } = null!;

    protected string Name { get; } = TestServers.NewName("messaging");

    /// <summary>What arrived at any replica.</summary>
    protected Arrivals Arrivals { get; } = new();

    [OneTimeSetUp]
    public async Task MakeAsync()
    {
        Servers = await TestServers.GetAsync();
        _database = new NpgsqlConnectionStringBuilder(await Servers.Postgres.CreateDatabaseAsync(Name)) { Options = $"-c lock_timeout={LockTimeout.TotalMilliseconds}" }.ConnectionString;
        await Servers.Rabbit.CreateVirtualHostAsync(Name);
        await using var db = NewContext();
        await db.Database.EnsureCreatedAsync();
    }

    [TearDown]
    public async Task StopReplicasAsync()
    {
        if (TestContext.CurrentContext.Result.FailCount > 0)
            await TestContext.Progress.WriteLineAsync($"{string.Join('\n', Log.Last(60))}\nqueues: {string.Join(", ", await Servers.Rabbit.QueuesAsync(Name))}");
        foreach (var replica in _replicas)
        {
            await replica.StopAsync();
            replica.Dispose();
        }

        _replicas.Clear();
    }

    [OneTimeTearDown]
    public async Task DropAsync()
    {
        await Servers.Rabbit.DeleteVirtualHostAsync(Name);
        await Servers.Postgres.DropDatabaseAsync(Name);
    }

    /// <summary>A way through the network to the database.</summary>
    internal TcpProxy NewRoad()
    {
        var database = new NpgsqlConnectionStringBuilder(_database);
        return new TcpProxy(database.Host!, database.Port);
    }

    /// <summary>Starts a process's worth of services.</summary>
    internal async Task<IHost> StartReplicaAsync(Action<IEntityFrameworkOutboxConfigurator>? outbox = null,
        Action<IBusRegistrationConfigurator>? more = null, bool consumes = true, TcpProxy? road = null)
    {
        var database = road == null ? _database : new NpgsqlConnectionStringBuilder(_database) { Host = "127.0.0.1", Port = road.Port }.ConnectionString;
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders().AddProvider(Log).SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(Arrivals);
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
                o.DeliveryLease = TimeSpan.FromSeconds(1);
                o.GroupCommits = grouped;
                o.PrepareStatements = grouped;
                outbox?.Invoke(o);
            });
            if (consumes)
            {
                x.AddConsumer<PingConsumer>();
                x.AddConsumer<PongConsumer>();
            }

            more?.Invoke(x);
            x.AddConfigureEndpointsCallback((context, _, endpoint) =>
            {
                endpoint.UseMessageRetry(r =>
                {
                    r.Ignore<InvalidOperationException>(e => !PostgresErrors.IsUnavailable(e)); // EF Core wraps a lost connection in one
                    r.Intervals([.. Enumerable.Range(0, 60).Select(i => TimeSpan.FromMilliseconds(5 * i))]);
                });
                endpoint.UseEntityFrameworkOutbox<TestDbContext>(context);
            });
            x.UsingRabbitMq((context, rabbit) =>
            {
                rabbit.Host(new Uri(Servers.Rabbit.Amqp(Name)), host => host.Heartbeat(TimeSpan.FromSeconds(3)));
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

    protected CapturedLog Log { get; } = new();

    protected TestDbContext NewContext() => new(new DbContextOptionsBuilder<TestDbContext>().UseNpgsql(_database).Options);

    protected async Task<T> QueryAsync<T>(Func<TestDbContext, Task<T>> query)
    {
        await using var db = NewContext();
        return await query(db);
    }

    protected Task<int> EffectsAsync(string name) => QueryAsync(db => db.Effects.CountAsync(x => x.Name == name));

    protected Task<List<OutboxMessage>> OutboxAsync() => QueryAsync(db => db.Set<OutboxMessage>().ToListAsync());

    protected Task ArrivesAsync(string name) =>
        Wait.UntilAsync(() => Task.FromResult(Arrivals.Of(name).Length > 0), Patience, () => $"Pong {name} to arrive");

    protected Task OutboxIsEmptyAsync() =>
        Wait.UntilAsync(async () => (await OutboxAsync()).Count == 0, Patience, () => "the outbox to be empty");

    /// <summary>Publishes in a scope, as an RPC would, and saves.</summary>
    protected static async Task InScopeAsync(IHost replica, Func<TestDbContext, IServiceProvider, Task> work)
    {
        await using var scope = replica.Services.CreateAsyncScope();
        await work(scope.ServiceProvider.GetRequiredService<TestDbContext>(), scope.ServiceProvider);
    }

    protected static string Unique(string what) => $"{what} {Guid.NewGuid():N}";
}

/// <summary>Keeps what is logged.</summary>
public sealed class CapturedLog : ILoggerProvider, ILogger
{
    readonly List<(LogLevel Level, string Text)> _lines = [];

    public bool Contains(LogLevel level, string text)
    {
        lock (_lines)
            return _lines.Exists(x => x.Level == level && x.Text.Contains(text, StringComparison.Ordinal));
    }

    /// <summary>What was logged last.</summary>
    public IReadOnlyList<string> Last(int lines)
    {
        lock (_lines)
            return [.. _lines.TakeLast(lines).Select(x => $"{x.Level} {x.Text}")];
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
            _lines.Add((logLevel, $"{formatter(state, exception)} {exception}".TrimEnd()));
    }

    public void Dispose()
    {
    }
}
