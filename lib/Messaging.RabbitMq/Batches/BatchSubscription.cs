using MassTransit;
using MassTransit.RabbitMqTransport;
using Messaging.Postgres.Observability;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Messaging.RabbitMq;

/// <summary>
/// Consumes the batches of a queue on the channel of its single messages, and delivers their messages, one by one, to
/// the same consumer. It subscribes again when an operator has deleted the queue of batches.
/// </summary>
/// <param name="channel">The channel to the broker.</param>
/// <param name="settings">The endpoint of the single messages.</param>
/// <param name="consumer">Handles the messages.</param>
/// <param name="deliveries">Assigns a delivery tag to each message.</param>
sealed class BatchSubscription(ChannelContext channel, ReceiveSettings settings, ConcurrentConsumer consumer,
    BatchDeliveries deliveries) : IAsyncBasicConsumer
{
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    readonly LogLimit _failures = new();
    readonly CancellationTokenSource _stopped = new();
    string? _tag; // null while not subscribed

    string Queue => MessageBatch.QueueOf(settings.QueueName);

    IChannel? IAsyncBasicConsumer.Channel => channel.Channel;

    /// <summary>Declares the queue of batches and subscribes to it; does neither if the broker refuses.</summary>
    /// <exception cref="OperationCanceledException">The caller has cancelled.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var connection = channel.ConnectionContext.Connection;
        try
        {
            await RabbitTopology.Declare(ReceiveTopology.BatchQueueOf(settings), connection, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (OperationInterruptedException e) when (connection.IsOpen)
        {
            LogContext.Warning?.Log("RabbitMQ has refused to declare the queue {Queue}, so messages are received one "
                + "by one, which is slower. Check the rights of the user: {Reason}", Queue, Reason.Of(e));
            return;
        }

        _tag = await channel.BasicConsume(Queue, noAck: false, exclusive: false, settings.ConsumeArguments, this, "",
            cancellationToken).ConfigureAwait(false);
        if (_stopped.IsCancellationRequested)
            await StopAsync().ConfigureAwait(false);
    }

    /// <summary>Ends the subscription, before that of the single messages ends.</summary>
    public async Task StopAsync()
    {
        await _stopped.CancelAsync().ConfigureAwait(false);
        if (Interlocked.Exchange(ref _tag, null) is { } tag && channel.Channel.IsOpen)
            try
            {
                await channel.BasicCancel(tag, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception) when (channel.Channel.IsClosed)
            {
                // The broker has cancelled it.
            }
    }

    public async Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange,
        string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken = default)
    {
        var copy = body.ToArray(); // the client reuses the memory when this method returns
        // MassTransit cannot read another content either, and moves it to the error queue with an alarm.
        var messages = MessageBatch.Read(properties, copy) ?? [(new BasicProperties(properties), copy)];
        var first = deliveries.Add(deliveryTag, messages.Count);
        for (var i = 0; i < messages.Count; i++)
        {
            var tag = first + (ulong)i;
            await consumer.StartAsync(consumerTag, tag, redelivered, exchange, routingKey, messages[i].Properties,
                messages[i].Body, () => ReturnUnsettledAsync(tag), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Returns a message that MassTransit has neither acknowledged nor returned, because its endpoint stops. The
    /// channel may stay open and be used by the endpoint's next start.
    /// </summary>
    async Task ReturnUnsettledAsync(ulong deliveryTag)
    {
        if (!deliveries.IsUnsettled(deliveryTag))
            return;
        await StopAsync().ConfigureAwait(false); // otherwise the broker would deliver the batch here again
        try
        {
            await deliveries.SettleAsync(channel, deliveryTag, isReturned: true, CancellationToken.None)
                .ConfigureAwait(false);
        }
        catch (Exception) when (channel.Channel.IsClosed)
        {
            // The broker has returned the whole batch.
        }
    }

    /// <summary>The queue of batches was deleted.</summary>
    public Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
    {
        _tag = null;
        _ = Task.Run(StartAgainAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    async Task StartAgainAsync()
    {
        while (!_stopped.IsCancellationRequested && channel.Channel.IsOpen)
            try
            {
                await Task.Delay(Pause, _stopped.Token).ConfigureAwait(false);
                await StartAsync(_stopped.Token).ConfigureAwait(false);
                if (_failures.HasEnded(out var duration))
                    LogContext.Info?.Log("The queue {Queue} is consumed again, after {Duration}", Queue, duration);
                return;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                if (!_stopped.IsCancellationRequested && channel.Channel.IsOpen && _failures.IsDue(e, out var count))
                    LogContext.Warning?.Log("The queue {Queue} was deleted and cannot be consumed yet. Messages are "
                        + "received one by one meanwhile; it is tried once a second: {Reason}. "
                        + "Failures since the last such line: {Count}", Queue, Reason.Of(e), count);
            }
    }

    // MassTransit knows only the consumer of the single messages.
    public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken = default) =>
        Task.CompletedTask;

    public Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default) =>
        Task.CompletedTask;

    public Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason) => Task.CompletedTask;
}
