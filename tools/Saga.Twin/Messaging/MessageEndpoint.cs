using System.Text.Json;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Saga.Twin;

/// <summary>
/// Consumes one queue in batches. Each batch is one transaction; its replies are published while the next batch is
/// handled, and its messages are acknowledged after the confirms. A failed transaction ends the process.
/// </summary>
sealed class MessageEndpoint<T>(Broker broker, Outbox outbox, IMessageHandler<T> handler) : BackgroundService
{
    Task _settled = Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await using var channel = await broker.CreateConsumerChannelAsync(stoppingToken);
        var coalescer = new Coalescer<ReceivedMessage<T>>(async batch =>
        {
            var replies = await CommitAsync(batch);
            await _settled; // acknowledgements are cumulative, so they keep the order of the batches
            _settled = SettleAsync(channel, replies, batch[^1].DeliveryTag);
        });
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            coalescer.Add(new ReceivedMessage<T>(Guid.Parse(delivery.BasicProperties.MessageId!),
                JsonSerializer.Deserialize(delivery.Body.Span, handler.Json)!, delivery.DeliveryTag));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(handler.Queue, autoAck: false, consumer, stoppingToken);
        await coalescer.RunAsync(stoppingToken);
    }

    /// <returns>The messages to publish: the replies of new messages, and the unsent replies of duplicates.</returns>
    async Task<IReadOnlyList<OutgoingMessage>> CommitAsync(IReadOnlyList<ReceivedMessage<T>> batch)
    {
        ReceivedMessage<T>[] messages = [.. batch.DistinctBy(x => x.Id)];
        var (statement, replies) = handler.Handle(messages);
        var newIds = await outbox.CommitAsync(statement);
        if (newIds.Count == messages.Length)
            return replies;
        var duplicates = messages.Select(x => x.Id).Where(x => !newIds.Contains(x));
        return [.. replies.Where((_, i) => newIds.Contains(messages[i].Id)),
            .. await outbox.UnsentRepliesAsync(duplicates)];
    }

    async Task SettleAsync(IChannel channel, IReadOnlyList<OutgoingMessage> replies, ulong lastDeliveryTag)
    {
        await outbox.PublishAsync(replies);
        await channel.BasicAckAsync(lastDeliveryTag, multiple: true);
    }
}
