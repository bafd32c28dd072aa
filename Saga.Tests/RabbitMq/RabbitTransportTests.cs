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
using RabbitMQ.Client.Exceptions;
using Saga.Attack;
using Saga.Servers;
using Service.Defaults;
using IBusInstance = MassTransit.Transports.IBusInstance;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration"), NonParallelizable]
public sealed class When_messages_have_a_channel_of_their_own() : MessagingFixture(grouped: true)
{
    const string Queue = "confirmed";

    static readonly CachedString Nowhere = new("nowhere");

    IConnection _connection = null!;
    ConfirmedChannel _channel = null!;

    [SetUp]
    public async Task OpenAsync()
    {
        var factory = new ConnectionFactory { Uri = new Uri(Servers.Rabbit.Amqp(Name)), AutomaticRecoveryEnabled = false };
        _connection = await factory.CreateConnectionAsync();
        await using var setup = await _connection.CreateChannelAsync();
        await setup.ExchangeDeclareAsync(Nowhere.Value, ExchangeType.Fanout);
        await setup.ExchangeDeclareAsync(Queue, ExchangeType.Fanout);
        await setup.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: false,
            new Dictionary<string, object?> { ["x-max-length"] = 1000, ["x-overflow"] = "reject-publish" });
        await setup.QueueBindAsync(Queue, Queue, "");
        _channel = await ConfirmedChannel.OpenAsync(_connection, default);
    }

    [TearDown]
    public async Task CloseAsync()
    {
        await _connection.DisposeAsync();
        await using var connection = await new ConnectionFactory { Uri = new Uri(Servers.Rabbit.Amqp(Name)) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueueDeleteAsync(Queue);
    }

    Task Publish(CachedString exchange, bool mandatory = false, CancellationToken cancellationToken = default) =>
        _channel.Publish(exchange, mandatory, new BasicProperties { MessageId = $"{Guid.NewGuid()}" }, new byte[10], cancellationToken)
            .WaitAsync(Patience, CancellationToken.None);

    static CachedString Exchange => new(Queue);

    [Test]
    public async Task Should_confirm_each_of_many_published_side_by_side()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Task.WhenAll(Enumerable.Range(0, 125).Select(_ => Publish(Exchange))))));

        await using var channel = await _connection.CreateChannelAsync();
        Assert.That(await channel.MessageCountAsync(Queue), Is.EqualTo(1000));
        var first = await channel.BasicGetAsync(Queue, autoAck: true);
        Assert.That(first!.BasicProperties.Headers, Is.Null.Or.Empty, "what the confirmation is told by is not in the message");
    }

    [Test]
    public async Task Should_fail_what_no_queue_gets_and_only_that()
    {
        var all = Enumerable.Range(0, 100).Select(i => Publish(i % 10 == 3 ? Nowhere : Exchange, mandatory: true)).ToArray();
        await Task.WhenAll(all).ContinueWith(_ => { }, TaskScheduler.Default);

        for (var i = 0; i < all.Length; i++)
            Assert.That(all[i].Exception?.InnerException, i % 10 == 3 ? Is.TypeOf<MessageReturnedException>() : Is.Null, $"message {i}");
        Assert.That(async () => await Publish(Nowhere), Throws.Nothing, "not mandatory");
    }

    [Test]
    public async Task Should_fail_what_the_queue_refuses()
    {
        await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => Publish(Exchange)));
        Assert.That(async () => await Publish(Exchange), Throws.TypeOf<MassTransitException>());
        Assert.That(_channel.IsOpen);
    }

    [Test]
    public async Task Should_fail_all_under_way_when_the_broker_closes_the_channel()
    {
        var all = Enumerable.Range(0, 100).Select(i => Publish(i == 50 ? new CachedString("missing") : Exchange)).ToArray();
        await Task.WhenAll(all).ContinueWith(_ => { }, TaskScheduler.Default);

        Assert.That(all[50..].Select(x => x.Exception?.InnerException), Has.All.InstanceOf<OperationInterruptedException>());
        Assert.That(async () => await Publish(Exchange), Throws.InstanceOf<OperationInterruptedException>());
        Assert.That(_channel.IsOpen, Is.False);
        Assert.That(_connection.IsOpen);
    }

    [Test]
    public async Task Should_say_that_the_connection_was_lost()
    {
        await _connection.AbortAsync();
        Assert.That(async () => await Publish(Exchange), Throws.InstanceOf<ConnectionException>());
    }

    [Test]
    public async Task Should_let_the_connection_end_while_the_network_takes_nothing()
    {
        await using var network = new TcpProxy(Servers.Rabbit.Host, Servers.Rabbit.Port);
        var factory = new ConnectionFactory { Uri = new Uri(Servers.Rabbit.Amqp(Name)), AutomaticRecoveryEnabled = false, SocketFactory = BrokerSocket.Create };
        (factory.HostName, factory.Port) = ("127.0.0.1", network.Port);
        await using var connection = await factory.CreateConnectionAsync();
        var stuck = await ConfirmedChannel.OpenAsync(connection, default);
        await using var opened = await connection.CreateChannelAsync();
        var told = new TaskCompletionSource();
        opened.ChannelShutdownAsync += (_, _) => Task.FromResult(told.TrySetResult());
        network.Condition = NetworkCondition.RequestsHeld;
        var all = Enumerable.Range(0, 1000)
            .Select(i => stuck.Publish(Exchange, false, new BasicProperties { MessageId = $"{i}" }, new byte[100_000], default)).ToArray();
        await Task.Delay(500);
        Assert.That(all, Has.None.Property(nameof(Task.IsCompleted)).True);

        network.Condition = NetworkCondition.Cut;

        await Task.WhenAll(all).WaitAsync(Patience).ContinueWith(_ => { }, TaskScheduler.Default);
        Assert.That(all.Select(x => x.Exception?.InnerException), Has.All.InstanceOf<ConnectionException>());
        Assert.That(async () => await told.Task.WaitAsync(Patience), Throws.Nothing, "a channel opened later");
    }

    [Test]
    public async Task Should_not_publish_what_is_given_up()
    {
        Assert.That(async () => await Publish(Exchange, cancellationToken: new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());
        await Publish(Exchange);
        await using var channel = await _connection.CreateChannelAsync();
        Assert.That(await channel.MessageCountAsync(Queue), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_send_by_the_next_connection_what_the_last_one_lost()
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
            await ArrivesAsync(name);
        await OutboxIsEmptyAsync();
    }

    [Test]
    public async Task Should_hold_it_against_no_message_that_the_broker_takes_none()
    {
        var broker = Servers.Rabbit as IStoppableBroker;
        if (broker == null)
            Assert.Ignore("given servers are not disturbed by a test");
        var replica = await StartReplicaAsync(o => o.UseBusOutbox(b => b.MessageDeliveryTimeout = TimeSpan.FromSeconds(1)));
        await PublishAsync(replica, Unique("the first declares its exchange"));
        await OutboxIsEmptyAsync();
        var names = Enumerable.Range(0, 3).Select(_ => Unique("alarm")).ToArray();
        try
        {
            await broker.SetMemoryAlarmAsync(true);
            foreach (var name in names)
                await PublishAsync(replica, name);
            Assert.That(() => Log.Contains(LogLevel.Error, "blocks publishers"), Is.True.After(30).Seconds.PollEvery(50).MilliSeconds);
            await TriesAreNotCountedAsync();

            // The next connection is blocked by what recovery sends.
            await Servers.Rabbit.CloseConnectionsAsync(Name);
            await TriesAreNotCountedAsync();
        }
        finally
        {
            await broker.SetMemoryAlarmAsync(false);
        }

        foreach (var name in names)
            await ArrivesAsync(name);
        await OutboxIsEmptyAsync();

        async Task TriesAreNotCountedAsync()
        {
            await Task.Delay(TimeSpan.FromSeconds(4)); // several leases, and as long as sends take to fail
            Assert.That((await OutboxAsync()).Select(x => x.Attempts), Is.EqualTo(new int[names.Length]));
        }
    }

    [Test]
    public async Task Should_declare_what_an_address_needs_once()
    {
        const string letters = "Saga.Tests.Messaging:Letter";
        var replica = await StartReplicaAsync(consumes: false);
        var transport = replica.Services.GetRequiredService<RabbitTransport<TestDbContext>>();
        await using var channel = await _connection.CreateChannelAsync();
        await channel.ExchangeDeleteAsync(letters);
        await channel.QueueDeleteAsync("letters");

        await transport.Prepare([new("queue:letters")], [typeof(Letter)], default).WaitAsync(Patience);

        Assert.That((await channel.QueueDeclarePassiveAsync("letters")).QueueName, Is.EqualTo("letters"));
        // Declared again it would be refused, being of another kind now.
        await channel.ExchangeDeleteAsync(letters);
        await channel.ExchangeDeclareAsync(letters, ExchangeType.Direct);
        await channel.QueueBindAsync("letters", letters, "");
        await InScopeAsync(replica, async (db, scope) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Letter(Unique("published")));
            var endpoint = await scope.GetRequiredService<ISendEndpointProvider>().GetSendEndpoint(new Uri("queue:letters"));
            await endpoint.Send(new Letter(Unique("sent")));
            await db.SaveChangesAsync();
        });
        await OutboxIsEmptyAsync();
        Assert.That(await channel.MessageCountAsync("letters"), Is.EqualTo(2));
        await channel.ExchangeDeleteAsync(letters);
        await channel.QueueDeleteAsync("letters");
    }

    [Test]
    public async Task Should_prepare_the_rest_when_the_broker_refuses_something()
    {
        var replica = await StartReplicaAsync(consumes: false);
        await using var channel = await _connection.CreateChannelAsync();
        await channel.ExchangeDeclareAsync("of-another-kind", ExchangeType.Direct);
        await channel.QueueDeleteAsync("the-rest");

        await replica.Services.GetRequiredService<RabbitTransport<TestDbContext>>()
            .Prepare([new("exchange:of-another-kind"), new("queue:the-rest")], [], default).WaitAsync(Patience);

        Assert.That(Log.Contains(LogLevel.Warning, "of-another-kind"), string.Join('\n', Log.Last(10)));
        Assert.That((await channel.QueueDeclarePassiveAsync("the-rest")).QueueName, Is.EqualTo("the-rest"));
        await channel.ExchangeDeleteAsync("of-another-kind");
        await channel.QueueDeleteAsync("the-rest");
    }

    [Test]
    public async Task Should_prepare_the_rest_by_the_next_connection_when_one_is_lost()
    {
        var replica = await StartReplicaAsync(consumes: false);
        await using var channel = await _connection.CreateChannelAsync();
        await channel.QueueDeleteAsync("the-rest");

        await replica.Services.GetRequiredService<RabbitTransport<TestDbContext>>().Prepare(Addresses(), [], default).WaitAsync(Patience);

        Assert.That((await channel.QueueDeclarePassiveAsync("the-rest")).QueueName, Is.EqualTo("the-rest"));
        await channel.QueueDeleteAsync("the-rest");

        IEnumerable<Uri> Addresses()
        {
            yield return new("exchange:first");
            var connections = ((IRabbitMqHostConfiguration)replica.Services.GetRequiredService<IBusInstance>().HostConfiguration).ConnectionContextSupervisor;
            connections.Send(Pipe.ExecuteAsync<ConnectionContext>(x => x.Connection.AbortAsync()), default).Wait(Patience);
            yield return new("queue:the-rest");
        }
    }

    [Test]
    public async Task Should_carry_the_trace_while_masstransit_is_traced()
    {
        var replica = await StartReplicaAsync();
        await PublishAsync(replica, Unique("the first declares its exchange"));
        await OutboxIsEmptyAsync();
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

        await ArrivesAsync(name);
        var parent = Arrivals.Of(name)[0].Headers.Get<string>(DiagnosticHeaders.ActivityId);
        Assert.That(ActivityContext.TryParse(parent, null, out var context), parent);
        Assert.That(sent, Does.Contain(context.TraceId));
    }

    static Task PublishAsync(IHost replica, string name) => InScopeAsync(replica, async (db, scope) =>
    {
        await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
        await db.SaveChangesAsync();
    });
}
