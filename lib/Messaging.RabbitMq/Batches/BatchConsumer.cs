using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Messaging.RabbitMq;

/// <summary>Delivers the messages of batches, one by one, to the consumer of the queue.</summary>
/// <param name="consumer">Handles the messages.</param>
/// <param name="deliveries">Assigns a delivery tag to each message.</param>
sealed class BatchConsumer(ConcurrentConsumer consumer, BatchDeliveries deliveries) : IAsyncBasicConsumer
{
    public IChannel? Channel => consumer.Channel;

    public async Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange,
        string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken = default)
    {
        var copy = body.ToArray(); // the client reuses the memory when this method returns
        if (MessageBatch.Read(properties, copy) is not { } messages)
        {
            // MassTransit cannot read it either, and moves it to the error queue with an alarm.
            await consumer.StartAsync(consumerTag, deliveryTag, redelivered, exchange, routingKey, properties, copy,
                cancellationToken).ConfigureAwait(false);
            return;
        }

        var tag = deliveries.Add(deliveryTag, messages.Count);
        foreach (var message in messages)
            await consumer.StartAsync(consumerTag, tag++, redelivered, exchange, routingKey, message.Properties,
                message.Body, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The queue of batches was deleted: MassTransit starts the endpoint again.</summary>
    public Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default) =>
        consumer.HandleBasicCancelAsync(consumerTag, cancellationToken);

    // MassTransit knows only the consumer of the single messages.
    public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken = default) =>
        Task.CompletedTask;

    public Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default) =>
        Task.CompletedTask;

    public Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason) => Task.CompletedTask;
}
