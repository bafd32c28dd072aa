using MassTransit;
using MassTransit.RabbitMqTransport;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>
/// Handles the messages of a channel concurrently, with one loop that starts the handling of each message. RabbitMQ's
/// client would use one loop per concurrent message, and wake all idle loops for each message.
/// </summary>
/// <remarks>A handler that blocks before its first await delays the other messages of its queue.</remarks>
/// <param name="limit">The maximum number of concurrent messages.</param>
/// <param name="batches">Whether to consume <see cref="MessageBatch">batches</see> too.</param>
/// <param name="pauses">The queues that are not consumed.</param>
/// <param name="senders">Verifies the senders of the messages; null if they do not matter.</param>
sealed class ConcurrentDeliveries(int limit, bool batches, QueuePauses pauses, MessageSenders? senders)
    : IFilter<ChannelContext>
{
    /// <summary>Adds this filter to the channel of an endpoint.</summary>
    public static void Use(IRabbitMqReceiveEndpointConfigurator endpoint, int limit, bool batches = false,
        QueuePauses? pauses = null, MessageSenders? senders = null)
    {
        endpoint.ConcurrentMessageLimit = 1; // the number of the client's loops
        endpoint.ConfigureChannel(x => x.UseFilter(
            new ConcurrentDeliveries(limit, batches, pauses ?? new QueuePauses(), senders)));
    }

    public async Task Send(ChannelContext context, IPipe<ChannelContext> next)
    {
        using var channel = new Channel(context, limit, batches, pauses, senders);
        try
        {
            await next.Send(channel).ConfigureAwait(false);
        }
        finally
        {
            await channel.EndAsync().ConfigureAwait(false); // the channel itself may be used again
        }
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("concurrentDeliveries").Add("limit", limit);

    sealed class Channel : ScopeChannelContext, ChannelContext
    {
        readonly bool _batches;
        readonly ChannelContext _context;
        readonly BatchDeliveries _deliveries = new();
        readonly int _limit;
        readonly QueuePauses _pauses;
        readonly MessageSenders? _senders;
        ConcurrentConsumer? _consumer;
        PausableSubscription? _subscription;
        BatchSubscription? _subscribedBatches;

        public Channel(ChannelContext context, int limit, bool batches, QueuePauses pauses, MessageSenders? senders)
            : base(context, CancellationToken.None) =>
            (_context, _limit, _batches, _pauses, _senders) = (context, limit, batches, pauses, senders);

        /// <summary>Ends the subscription to batches, and does not notice pauses any more.</summary>
        /// <returns>Whether the queue was consumed.</returns>
        public async Task<bool> EndAsync()
        {
            var wasSubscribed = _subscription != null && await _subscription.EndAsync().ConfigureAwait(false);
            await StopBatchesAsync().ConfigureAwait(false);
            return wasSubscribed;
        }

        Task StopBatchesAsync() => _subscribedBatches?.StopAsync() ?? Task.CompletedTask;

        async Task<string> ChannelContext.BasicConsume(string queue, bool noAck, bool exclusive,
            IDictionary<string, object> arguments, IAsyncBasicConsumer consumer, string consumerTag,
            CancellationToken cancellationToken)
        {
            var concurrent = _consumer = new ConcurrentConsumer(consumer, _limit, _senders, StopBatchesAsync);
            var tag = consumerTag is { Length: > 0 } ? consumerTag : $"{queue}-{Guid.NewGuid():N}";
            _subscription = new PausableSubscription(queue, _pauses, SubscribeAsync, UnsubscribeAsync);
            if (!await _subscription.StartAsync().ConfigureAwait(false))
                await concurrent.HandleBasicConsumeOkAsync(tag, cancellationToken).ConfigureAwait(false);
            return tag;

            async Task SubscribeAsync()
            {
                await _context.BasicConsume(queue, noAck, exclusive, arguments, concurrent, tag, cancellationToken)
                    .ConfigureAwait(false);
                if (!_batches)
                    return;
                _subscribedBatches = new BatchSubscription(_context, this.GetPayload<ReceiveSettings>(), concurrent,
                    _deliveries);
                await _subscribedBatches.StartAsync(cancellationToken).ConfigureAwait(false);
            }

            async Task UnsubscribeAsync()
            {
                await StopBatchesAsync().ConfigureAwait(false);
                if (!_context.Channel.IsOpen)
                    return;
                concurrent.Pause();
                await _context.BasicCancel(tag, CancellationToken.None).ConfigureAwait(false);
            }
        }

        async Task ChannelContext.BasicCancel(string consumerTag, CancellationToken cancellationToken)
        {
            if (await EndAsync().ConfigureAwait(false))
                await _context.BasicCancel(consumerTag, cancellationToken).ConfigureAwait(false);
            else if (_consumer is { } consumer)
                await consumer.EndAsync(consumerTag, cancellationToken).ConfigureAwait(false);
        }

        // These also avoid the base class, which creates a linked token for each acknowledgement.
        ValueTask ChannelContext.BasicAck(ulong deliveryTag, bool multiple, CancellationToken cancellationToken) =>
            _deliveries.SettleAsync(_context, deliveryTag, isReturned: false, cancellationToken);

        Task ChannelContext.BasicNack(ulong deliveryTag, bool multiple, bool requeue,
            CancellationToken cancellationToken) =>
            _deliveries.SettleAsync(_context, deliveryTag, isReturned: requeue, cancellationToken).AsTask();
    }
}
