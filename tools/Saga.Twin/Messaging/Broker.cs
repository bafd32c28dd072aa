using RabbitMQ.Client;

namespace Saga.Twin;

/// <summary>A connection to RabbitMQ, with a channel that publishes persistent messages with confirms.</summary>
sealed class Broker : IAsyncDisposable
{
    // Two batches: one is handled while the replies of the other are published.
    const ushort Prefetch = 2 * Coalescer<object>.MaxBatch;

    readonly IConnection _connection;
    readonly IChannel _publisher;

    Broker(IConnection connection, IChannel publisher) => (_connection, _publisher) = (connection, publisher);

    /// <summary>Connects, and declares all queues as durable. A lost connection is not restored.</summary>
    public static async Task<Broker> ConnectAsync(Uri address)
    {
        var factory = new ConnectionFactory { Uri = address, AutomaticRecoveryEnabled = false };
        var connection = await factory.CreateConnectionAsync();
        var publisher = await connection.CreateChannelAsync(new CreateChannelOptions(
            publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        foreach (var queue in Queues.All)
            await publisher.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false);
        return new Broker(connection, publisher);
    }

    /// <summary>Publishes a message; completes when the broker has confirmed it.</summary>
    public async Task PublishAsync(OutgoingMessage message)
    {
        var properties = new BasicProperties { Persistent = true, MessageId = message.Id.ToString() };
        await _publisher.BasicPublishAsync("", message.Queue, mandatory: true, properties, message.Body);
    }

    /// <summary>Opens a channel for a consumer that acknowledges its messages.</summary>
    public async Task<IChannel> CreateConsumerChannelAsync(CancellationToken cancellationToken)
    {
        var channel = await _connection.CreateChannelAsync(cancellationToken: cancellationToken);
        await channel.BasicQosAsync(prefetchSize: 0, Prefetch, global: false, cancellationToken);
        return channel;
    }

    public async ValueTask DisposeAsync()
    {
        await _publisher.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
