using Messaging.RabbitMq;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using RabbitMQ.Client;
using Saga.Attack;
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
            var factory = new ConnectionFactory
            {
                Uri = new Uri(servers.Rabbit.Amqp("/")),
                AutomaticRecoveryEnabled = false,
            };
            (factory.HostName, factory.Port) = ("127.0.0.1", network.Port);
            var prepared = Enumerable.Range(0, 20)
                .Select(_ => new BrokerConnection(new Lifetime(), NullLogger<BrokerConnection>.Instance))
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
            Assert.That(async () => await Task.WhenAll(prepared).WaitAsync(TimeSpan.FromSeconds(10)), Throws.Nothing,
                $"round {round}");
        }
    }

    [Test]
    public async Task Should_retry_a_refused_login_until_it_is_accepted()
    {
        var rabbit = (await TestServers.GetAsync()).Rabbit;
        var user = $"late-{Guid.NewGuid():N}";
        var factory = new ConnectionFactory { Uri = new Uri(rabbit.Amqp("/")), UserName = user, Password = user };
        factory.AutomaticRecoveryEnabled = false;
        using var log = new CapturedLog();
        using var logging = new LoggerFactory([log]);
        var prepared = new BrokerConnection(new Lifetime(), logging.CreateLogger<BrokerConnection>())
            .PrepareAsync(factory);
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
