using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using RabbitMQ.Client;
using Saga.Load.Attack;
using Service.Defaults;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_the_broker_is_hard_to_reach
{
    [Test]
    public async Task Should_see_it_come_back_whatever_the_network_did_to_the_tries_before()
    {
        var servers = await TestServers.GetAsync();
        var random = new Random(1);
        for (var round = 0; round < 10; round++)
        {
            await using var network = new TcpProxy(servers.Rabbit.Host, servers.Rabbit.Port) { Road = Road.Cut };
            var factory = new ConnectionFactory { Uri = new Uri(servers.Rabbit.Amqp("/")), AutomaticRecoveryEnabled = false };
            (factory.HostName, factory.Port) = ("127.0.0.1", network.Port);
            var prepared = Enumerable.Range(0, 20)
                .Select(_ => new BrokerConnection(new Lifetime(), NullLogger<BrokerConnection>.Instance).PrepareAsync(factory)).ToArray();
            for (var i = 0; i < 60; i++)
            {
                network.Road = random.Next(3) switch { 0 => Road.Cut, 1 => Road.NothingBack, _ => Road.Open };
                await Task.Delay(random.Next(1, 15));
            }

            network.Road = Road.Open;
            Assert.That(async () => await Task.WhenAll(prepared).WaitAsync(TimeSpan.FromSeconds(10)), Throws.Nothing, $"round {round}");
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
