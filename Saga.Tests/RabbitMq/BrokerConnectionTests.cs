using Messaging.RabbitMq;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Saga.Attack;
using Saga.Servers;
using Saga.Tests.Support;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Integration")]
public sealed class When_the_broker_is_unreachable
{
    [Test]
    public async Task Should_connect_when_it_is_reachable_again_after_any_network_faults()
    {
        var servers = await TestServers.GetAsync();
        var random = new Random(1);
        for (var round = 0; round < 10; round++)
        {
            await using var network =
                new TcpProxy(servers.Rabbit.Host, servers.Rabbit.Port) { Condition = NetworkCondition.Cut };
            var address = new UriBuilder(servers.Rabbit.Amqp("/")) { Host = "127.0.0.1", Port = network.Port };
            var factory = new ConnectionFactory { AutomaticRecoveryEnabled = false };
            var prepared = Enumerable.Range(0, 20)
                .Select(_ => NewConnection(NullLogger<BrokerConnection>.Instance, x => x.Address = $"{address}"))
                .Select(x => x.PrepareAsync(factory)).ToArray();
            for (var i = 0; i < 60; i++)
            {
                network.Condition = random.Next(3) switch
                {
                    0 => NetworkCondition.Cut,
                    1 => NetworkCondition.ResponsesHeld,
                    _ => NetworkCondition.Normal
                };
                await Task.Delay(random.Next(1, 15));
            }

            network.Condition = NetworkCondition.Normal;
            Assert.That(async () => await Task.WhenAll(prepared).WaitAsync(TimeSpan.FromSeconds(60)), Throws.Nothing,
                $"round {round}");
        }
    }

    [Test]
    public async Task Should_retry_a_refused_login_until_it_is_accepted()
    {
        var rabbit = (await TestServers.GetAsync()).Rabbit;
        var user = $"late-{Guid.NewGuid():N}";
        using var log = new CapturedLog();
        using var logging = new LoggerFactory([log]);
        var prepared = NewConnection(logging.CreateLogger<BrokerConnection>(),
                x => x.Address = new UriBuilder(rabbit.Amqp("/")) { UserName = user, Password = user }.ToString())
            .PrepareAsync(new ConnectionFactory { AutomaticRecoveryEnabled = false });
        Assert.That(() => prepared.IsCompleted || log.Contains(LogLevel.Warning, "ACCESS_REFUSED"),
            Is.True.After(30).Seconds.PollEvery(50).MilliSeconds);
        Assert.That(prepared.IsCompleted, Is.False, "a refused login would stop MassTransit's endpoints permanently");

        await rabbit.CreateUserAsync(user, user, "/");
        try
        {
            Assert.That(async () => await prepared.WaitAsync(TimeSpan.FromSeconds(30)), Throws.Nothing);
        }
        finally
        {
            await rabbit.DeleteUserAsync(user);
        }
    }

    [Test]
    public async Task Should_connect_to_the_first_node_that_is_up()
    {
        var rabbit = (await TestServers.GetAsync()).Rabbit;
        var address = rabbit.Amqp("/").Replace("@", $"@127.0.0.1:{Ports.Pick()},", StringComparison.Ordinal);
        var factory = new ConnectionFactory { AutomaticRecoveryEnabled = false };
        await NewConnection(NullLogger<BrokerConnection>.Instance, x => x.Address = address).PrepareAsync(factory)
            .WaitAsync(TimeSpan.FromSeconds(30));
        await using var connection = await factory.CreateConnectionAsync();
        Assert.That(connection.Endpoint.Port, Is.EqualTo(rabbit.Port));
    }

    [Test]
    public async Task Should_read_credentials_again_for_each_attempt()
    {
        var rabbit = (await TestServers.GetAsync()).Rabbit;
        var user = $"rotated-{Guid.NewGuid():N}";
        var (users, passwords) = (Path.GetTempFileName(), Path.GetTempFileName());
        await rabbit.CreateUserAsync(user, "new", "/");
        try
        {
            await File.WriteAllTextAsync(users, user);
            await File.WriteAllTextAsync(passwords, "old\n");
            using var log = new CapturedLog();
            using var logging = new LoggerFactory([log]);
            var prepared = NewConnection(logging.CreateLogger<BrokerConnection>(), x =>
                    (x.Address, x.UserNameFile, x.PasswordFile) = (rabbit.Amqp("/"), users, passwords))
                .PrepareAsync(new ConnectionFactory { AutomaticRecoveryEnabled = false });
            Assert.That(() => log.Contains(LogLevel.Warning, "ACCESS_REFUSED"),
                Is.True.After(30).Seconds.PollEvery(50).MilliSeconds);

            await File.WriteAllTextAsync(passwords, "new\n");
            Assert.That(async () => await prepared.WaitAsync(TimeSpan.FromSeconds(60)), Throws.Nothing);
        }
        finally
        {
            await rabbit.DeleteUserAsync(user);
            File.Delete(users);
            File.Delete(passwords);
        }
    }

    internal static BrokerConnection NewConnection(ILogger<BrokerConnection> log, Action<BrokerOptions> configure) =>
        new(new ServiceCollection().Configure(configure).BuildServiceProvider()
            .GetRequiredService<IOptionsMonitor<BrokerOptions>>(), new Lifetime(), log);

    sealed class Lifetime : IHostApplicationLifetime
    {
        public CancellationToken ApplicationStarted => default;

        public CancellationToken ApplicationStopping => default;

        public CancellationToken ApplicationStopped => default;

        public void StopApplication()
        {
        }
    }
}
