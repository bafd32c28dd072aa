using System.Collections.Concurrent;
using MassTransit;
using Messaging.RabbitMq;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Saga.Attack;
using Saga.Tests.Support;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Integration"), NonParallelizable]
public sealed class When_messages_are_published_with_confirms() : MessagingFixture(grouped: true)
{
    const string Queue = "confirmed";

    static readonly CachedString Unbound = new("unbound");

    readonly ConcurrentQueue<Exception> _notCombined = new();
    IConnection _connection = null!;
    ConfirmedChannel _channel = null!;

    [SetUp]
    public async Task OpenAsync()
    {
        _connection = await NewFactory().CreateConnectionAsync();
        await using var setup = await _connection.CreateChannelAsync();
        await setup.ExchangeDeclareAsync(Unbound.Value, ExchangeType.Fanout);
        await setup.ExchangeDeclareAsync(Queue, ExchangeType.Fanout);
        await setup.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: false,
            new Dictionary<string, object?> { ["x-max-length"] = 1000, ["x-overflow"] = "reject-publish" });
        await setup.QueueBindAsync(Queue, Queue, "");
        _channel = await ConfirmedChannel.OpenAsync(_connection, _notCombined.Enqueue, default);
    }

    [TearDown]
    public async Task CloseAsync()
    {
        await _connection.DisposeAsync();
        await using var connection = await NewFactory().CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueueDeleteAsync(Queue);
    }

    [Test]
    public async Task Should_confirm_each_of_many_concurrent_messages()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ =>
            Task.Run(() => Task.WhenAll(Enumerable.Range(0, 125).Select(_ => Publish(Exchange))))));

        await using var channel = await _connection.CreateChannelAsync();
        Assert.That(await channel.MessageCountAsync(Queue), Is.EqualTo(1000));
        var first = await channel.BasicGetAsync(Queue, autoAck: true);
        Assert.That(first!.BasicProperties.Headers, Is.Null.Or.Empty, "the message has no confirm number");
    }

    [Test]
    public async Task Should_fail_exactly_the_mandatory_messages_that_reach_no_queue()
    {
        var all = Enumerable.Range(0, 100)
            .Select(i => Publish(i % 10 == 3 ? Unbound : Exchange, mandatory: true)).ToArray();
        await Task.WhenAll(all).ContinueWith(_ => { }, TaskScheduler.Default);

        for (var i = 0; i < all.Length; i++)
            Assert.That(all[i].Exception?.InnerException,
                i % 10 == 3 ? Is.TypeOf<MessageReturnedException>() : Is.Null, $"message {i}");
        Assert.That(async () => await Publish(Unbound), Throws.Nothing, "not mandatory");
    }

    [Test]
    public async Task Should_fail_a_message_that_the_queue_rejects()
    {
        await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => Publish(Exchange)));
        Assert.That(async () => await Publish(Exchange), Throws.TypeOf<MassTransitException>());
        Assert.That(_channel.IsOpen);
    }

    [Test]
    public async Task Should_fail_all_unconfirmed_messages_when_the_broker_closes_the_channel()
    {
        var all = Enumerable.Range(0, 100)
            .Select(i => Publish(i == 50 ? new CachedString("missing") : Exchange)).ToArray();
        await Task.WhenAll(all).ContinueWith(_ => { }, TaskScheduler.Default);

        Assert.That(all[50..].Select(x => x.Exception?.InnerException),
            Has.All.InstanceOf<OperationInterruptedException>());
        Assert.That(async () => await Publish(Exchange), Throws.InstanceOf<OperationInterruptedException>());
        Assert.That(_channel.IsOpen, Is.False);
        Assert.That(_connection.IsOpen);
    }

    [Test]
    public async Task Should_report_a_lost_connection()
    {
        await _connection.AbortAsync();
        Assert.That(async () => await Publish(Exchange), Throws.InstanceOf<ConnectionException>());
    }

    [Test]
    public async Task Should_end_the_connection_while_writes_are_blocked()
    {
        await using var network = new TcpProxy(Servers.Rabbit.Host, Servers.Rabbit.Port);
        var factory = NewFactory();
        factory.SocketFactory = BrokerSocket.Create;
        (factory.HostName, factory.Port) = ("127.0.0.1", network.Port);
        await using var connection = await factory.CreateConnectionAsync();
        var blocked = await ConfirmedChannel.OpenAsync(connection, null, default);
        await using var openedLater = await connection.CreateChannelAsync();
        var shutdown = new TaskCompletionSource();
        openedLater.ChannelShutdownAsync += (_, _) => Task.FromResult(shutdown.TrySetResult());
        network.Condition = NetworkCondition.RequestsHeld;
        var all = Enumerable.Range(0, 1000).Select(i => blocked.Publish(Exchange, false,
            new BasicProperties { MessageId = $"{i}" }, new byte[100_000], batchExchange: null, default)).ToArray();
        await Task.Delay(500);
        Assert.That(all, Has.None.Property(nameof(Task.IsCompleted)).True);

        network.Condition = NetworkCondition.Cut;

        await Task.WhenAll(all).WaitAsync(MaxWait).ContinueWith(_ => { }, TaskScheduler.Default);
        Assert.That(all.Select(x => x.Exception?.InnerException), Has.All.InstanceOf<ConnectionException>());
        Assert.That(async () => await shutdown.Task.WaitAsync(MaxWait), Throws.Nothing, "a channel opened later");
    }

    [Test]
    public async Task Should_publish_one_by_one_what_cannot_be_combined_and_then_everything_else()
    {
        _notCombined.Clear();
        var batches = new CachedString("batches");
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => _channel.Publish(Exchange, mandatory: false,
            new BasicProperties { MessageId = $"no UUID {i}" }, new byte[10], batches, default))).WaitAsync(MaxWait);

        Assert.That(_notCombined, Is.Not.Empty.And.All.TypeOf<FormatException>(), "the reason is reported");
        await Publish(Exchange);
        await using var channel = await _connection.CreateChannelAsync();
        Assert.That(await channel.MessageCountAsync(Queue), Is.EqualTo(51));
    }

    [Test]
    public async Task Should_not_publish_a_cancelled_message()
    {
        Assert.That(async () => await Publish(Exchange, cancellationToken: new CancellationToken(true)),
            Throws.InstanceOf<OperationCanceledException>());
        await Publish(Exchange);
        await using var channel = await _connection.CreateChannelAsync();
        Assert.That(await channel.MessageCountAsync(Queue), Is.EqualTo(1));
    }

    static CachedString Exchange => new(Queue);

    ConnectionFactory NewFactory() =>
        new() { Uri = new Uri(Servers.Rabbit.Amqp(Name)), AutomaticRecoveryEnabled = false };

    Task Publish(CachedString exchange, bool mandatory = false, CancellationToken cancellationToken = default)
    {
        var properties = new BasicProperties { MessageId = $"{Guid.NewGuid()}" };
        return _channel.Publish(exchange, mandatory, properties, new byte[10], batchExchange: null, cancellationToken)
            .WaitAsync(MaxWait, CancellationToken.None);
    }
}
