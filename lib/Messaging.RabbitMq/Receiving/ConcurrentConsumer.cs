using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Messaging.RabbitMq;

/// <summary>Starts the handling of each delivery by another consumer, and does not wait for its end.</summary>
/// <param name="consumer">Handles the deliveries.</param>
/// <param name="limit">The maximum number of concurrent deliveries; the next one waits.</param>
/// <param name="senders">Verifies the senders of the messages; null if they do not matter.</param>
/// <param name="cancelled">Called before the consumer learns that the broker has cancelled its subscription.</param>
sealed class ConcurrentConsumer(IAsyncBasicConsumer consumer, int limit, MessageSenders? senders = null,
    Func<Task>? cancelled = null)
    : IAsyncBasicConsumer
{
    readonly SemaphoreSlim _capacity = new(limit);
    int _isStarted;
    int _pauses; // whose CancelOk has not come yet; it can come when the next subscription has begun

    /// <summary>
    /// Announces that a subscription ends only for a pause, which the other consumer must not notice: it would stop.
    /// </summary>
    public void Pause() => Interlocked.Increment(ref _pauses);

    /// <summary>Tells the other consumer that its subscription has ended; a pause has ended it before.</summary>
    public Task EndAsync(string consumerTag, CancellationToken cancellationToken) =>
        consumer.HandleBasicCancelOkAsync(consumerTag, cancellationToken);

    public IChannel? Channel => consumer.Channel;

    public Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange,
        string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken = default) =>
        // A copy: the client reuses the memory when this method returns.
        StartAsync(consumerTag, deliveryTag, redelivered, exchange, routingKey, properties, body.ToArray(),
            handled: null, cancellationToken);

    /// <summary>
    /// Starts the handling of a delivery whose memory is not reused, and then calls a function. Waits only at the
    /// limit.
    /// </summary>
    public async Task StartAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange,
        string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body,
        Func<Task>? handled, CancellationToken cancellationToken)
    {
        await _capacity.WaitAsync(cancellationToken).ConfigureAwait(false);
        _ = Handle(); // MassTransit's consumer logs failures, and waits for pending deliveries before it stops

        async Task Handle()
        {
            try
            {
                await consumer.HandleBasicDeliverAsync(consumerTag, deliveryTag, redelivered, exchange, routingKey,
                    senders?.Verify(properties) ?? properties, body, cancellationToken).ConfigureAwait(false);
                if (handled != null)
                    await handled().ConfigureAwait(false);
            }
            finally
            {
                _capacity.Release();
            }
        }
    }

    public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken = default) =>
        Interlocked.Exchange(ref _isStarted, 1) != 0 ? Task.CompletedTask // after a pause
            : consumer.HandleBasicConsumeOkAsync(consumerTag, cancellationToken);

    public async Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
    {
        if (cancelled != null)
            await cancelled().ConfigureAwait(false);
        await consumer.HandleBasicCancelAsync(consumerTag, cancellationToken).ConfigureAwait(false);
    }

    public Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default)
    {
        if (Interlocked.Decrement(ref _pauses) >= 0)
            return Task.CompletedTask;
        Interlocked.Increment(ref _pauses);
        return EndAsync(consumerTag, cancellationToken);
    }

    public Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason) =>
        consumer.HandleChannelShutdownAsync(channel, reason);
}
