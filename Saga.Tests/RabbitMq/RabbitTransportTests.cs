using System.Collections.Concurrent;
using System.Diagnostics;
using MassTransit;
using MassTransit.Logging;
using MassTransit.RabbitMqTransport;
using MassTransit.RabbitMqTransport.Configuration;
using Messaging.RabbitMq;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using Saga.Servers;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;
using IBusInstance = MassTransit.Transports.IBusInstance;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Integration"), NonParallelizable]
public sealed class When_the_outbox_sends_on_a_confirmed_channel() : MessagingFixture(grouped: true)
{
    IConnection _connection = null!;

    [SetUp]
    public async Task OpenAsync()
    {
        var factory = new ConnectionFactory { Uri = new Uri(Servers.Rabbit.Amqp(Name)) };
        factory.AutomaticRecoveryEnabled = false;
        _connection = await factory.CreateConnectionAsync();
    }

    [TearDown]
    public async Task CloseAsync() => await _connection.DisposeAsync();

    [Test]
    public async Task Should_send_again_on_the_next_connection_after_a_loss()
    {
        var replica = await StartReplicaAsync();
        var names = Enumerable.Range(0, 60).Select(_ => Unique("lost")).ToArray();
        foreach (var part in names.Chunk(20))
        {
            foreach (var name in part)
                await PublishAsync(replica, name);
            await Servers.Rabbit.CloseConnectionsAsync(Name);
        }

        foreach (var name in names)
            await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();
    }

    [Test]
    public async Task Should_count_no_attempt_while_a_memory_alarm_blocks_publishers()
    {
        var broker = Servers.Rabbit as IStoppableBroker;
        if (broker == null)
            Assert.Ignore("the test needs a broker that it may disturb");
        var replica = await StartReplicaAsync(
            o => o.UseBusOutbox(b => b.MessageDeliveryTimeout = TimeSpan.FromSeconds(1)));
        await PublishAsync(replica, Unique("the first message declares its exchange"));
        await WaitForEmptyOutboxAsync();
        var names = Enumerable.Range(0, 3).Select(_ => Unique("alarm")).ToArray();
        try
        {
            await broker.SetMemoryAlarmAsync(true);
            foreach (var name in names)
                await PublishAsync(replica, name);
            Assert.That(() => Log.Contains(LogLevel.Error, "blocks publishers"),
                Is.True.After(30).Seconds.PollEvery(50).MilliSeconds);
            await AssertNoAttemptIsCountedAsync();

            // The broker blocks the next connection as soon as the outbox recovery publishes on it.
            await Servers.Rabbit.CloseConnectionsAsync(Name);
            await AssertNoAttemptIsCountedAsync();
        }
        finally
        {
            await broker.SetMemoryAlarmAsync(false);
        }

        foreach (var name in names)
            await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();

        async Task AssertNoAttemptIsCountedAsync()
        {
            await Task.Delay(TimeSpan.FromSeconds(4)); // several leases, and longer than a send takes to fail
            Assert.That((await ReadOutboxAsync()).Select(x => x.Attempts), Is.EqualTo(new int[names.Length]));
        }
    }

    [Test]
    public async Task Should_declare_the_topology_of_an_address_only_once()
    {
        const string letters = "Saga.Tests.Support.Model:Letter";
        var replica = await StartReplicaAsync(withConsumers: false);
        var transport = replica.Services.GetRequiredService<RabbitTransport<TestDbContext>>();
        await using var channel = await _connection.CreateChannelAsync();
        await channel.ExchangeDeleteAsync(letters);
        await channel.QueueDeleteAsync("letters");

        await transport.Prepare([new("queue:letters")], [typeof(Letter)], default).WaitAsync(MaxWait);

        Assert.That((await channel.QueueDeclarePassiveAsync("letters")).QueueName, Is.EqualTo("letters"));
        // The exchange has another type from now on: the broker would reject a second declaration.
        await channel.ExchangeDeleteAsync(letters);
        await channel.ExchangeDeclareAsync(letters, ExchangeType.Direct);
        await channel.QueueBindAsync("letters", letters, "");
        await InScopeAsync(replica, async (db, scope) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Letter(Unique("published")));
            var endpoints = scope.GetRequiredService<ISendEndpointProvider>();
            await (await endpoints.GetSendEndpoint(new Uri("queue:letters"))).Send(new Letter(Unique("sent")));
            await db.SaveChangesAsync();
        });
        await WaitForEmptyOutboxAsync();
        Assert.That(await channel.MessageCountAsync("letters"), Is.EqualTo(2));
        await channel.ExchangeDeleteAsync(letters);
        await channel.QueueDeleteAsync("letters");
    }

    [Test]
    public async Task Should_declare_the_other_addresses_when_the_broker_rejects_one()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        await using var channel = await _connection.CreateChannelAsync();
        await channel.ExchangeDeclareAsync("of-another-type", ExchangeType.Direct);
        await channel.QueueDeleteAsync("second");

        await replica.Services.GetRequiredService<RabbitTransport<TestDbContext>>()
            .Prepare([new("exchange:of-another-type"), new("queue:second")], [], default).WaitAsync(MaxWait);

        Assert.That(Log.Contains(LogLevel.Warning, "of-another-type"), string.Join('\n', Log.Last(10)));
        Assert.That((await channel.QueueDeclarePassiveAsync("second")).QueueName, Is.EqualTo("second"));
        await channel.ExchangeDeleteAsync("of-another-type");
        await channel.QueueDeleteAsync("second");
    }

    [Test]
    public async Task Should_declare_the_other_addresses_on_the_next_connection_after_a_loss()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        await using var channel = await _connection.CreateChannelAsync();
        await channel.QueueDeleteAsync("second");

        await replica.Services.GetRequiredService<RabbitTransport<TestDbContext>>()
            .Prepare(Addresses(), [], default).WaitAsync(MaxWait);

        Assert.That((await channel.QueueDeclarePassiveAsync("second")).QueueName, Is.EqualTo("second"));
        await channel.QueueDeleteAsync("second");

        IEnumerable<Uri> Addresses()
        {
            yield return new("exchange:first");
            var bus = replica.Services.GetRequiredService<IBusInstance>();
            ((IRabbitMqHostConfiguration)bus.HostConfiguration).ConnectionContextSupervisor
                .Send(Pipe.ExecuteAsync<ConnectionContext>(x => x.Connection.AbortAsync()), default).Wait(MaxWait);
            yield return new("queue:second");
        }
    }

    [Test]
    public async Task Should_propagate_the_trace_when_masstransit_is_traced()
    {
        var replica = await StartReplicaAsync();
        await PublishAsync(replica, Unique("the first message declares its exchange"));
        await WaitForEmptyOutboxAsync();
        var sent = new ConcurrentBag<ActivityTraceId>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = x => x.Name == DiagnosticHeaders.DefaultListenerName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = x =>
            {
                if (x.Kind == ActivityKind.Producer)
                    sent.Add(x.TraceId);
            },
        };
        ActivitySource.AddActivityListener(listener);
        var name = Unique("traced");

        await PublishAsync(replica, name);

        await WaitForPongAsync(name);
        var parent = Received.Named(name)[0].Headers.Get<string>(DiagnosticHeaders.ActivityId);
        Assert.That(ActivityContext.TryParse(parent, null, out var context), parent);
        Assert.That(sent, Does.Contain(context.TraceId));
    }

    static Task PublishAsync(IHost replica, string name) => InScopeAsync(replica, async (db, scope) =>
    {
        await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
        await db.SaveChangesAsync();
    });
}
