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
sealed class ConcurrentDeliveries(int limit, bool batches) : IFilter<ChannelContext>
{
    /// <summary>Adds this filter to the channel of an endpoint.</summary>
    public static void Use(IRabbitMqReceiveEndpointConfigurator endpoint, int limit, bool batches = false)
    {
        endpoint.ConcurrentMessageLimit = 1; // the number of the client's loops
        endpoint.ConfigureChannel(x => x.UseFilter(new ConcurrentDeliveries(limit, batches)));
    }

    public async Task Send(ChannelContext context, IPipe<ChannelContext> next)
    {
        using var channel = new Channel(context, limit, batches);
        try
        {
            await next.Send(channel).ConfigureAwait(false);
        }
        finally
        {
            await channel.StopBatchesAsync().ConfigureAwait(false); // the channel itself may be used again
        }
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("concurrentDeliveries").Add("limit", limit);

    sealed class Channel : ScopeChannelContext, ChannelContext
    {
        readonly bool _batches;
        readonly ChannelContext _context;
        readonly BatchDeliveries _deliveries = new();
        readonly int _limit;
        BatchSubscription? _subscription;

        public Channel(ChannelContext context, int limit, bool batches)
            : base(context, CancellationToken.None) => (_context, _limit, _batches) = (context, limit, batches);

        public Task StopBatchesAsync() => _subscription?.StopAsync() ?? Task.CompletedTask;

        async Task<string> ChannelContext.BasicConsume(string queue, bool noAck, bool exclusive,
            IDictionary<string, object> arguments, IAsyncBasicConsumer consumer, string consumerTag,
            CancellationToken cancellationToken)
        {
            var concurrent = new ConcurrentConsumer(consumer, _limit, StopBatchesAsync);
            var tag = await _context.BasicConsume(queue, noAck, exclusive, arguments, concurrent, consumerTag,
                cancellationToken).ConfigureAwait(false);
            if (_batches)
            {
                _subscription = new BatchSubscription(_context, this.GetPayload<ReceiveSettings>(), concurrent,
                    _deliveries);
                await _subscription.StartAsync(cancellationToken).ConfigureAwait(false);
            }

            return tag;
        }

        async Task ChannelContext.BasicCancel(string consumerTag, CancellationToken cancellationToken)
        {
            await StopBatchesAsync().ConfigureAwait(false);
            await _context.BasicCancel(consumerTag, cancellationToken).ConfigureAwait(false);
        }

        // These also avoid the base class, which creates a linked token for each acknowledgement.
        ValueTask ChannelContext.BasicAck(ulong deliveryTag, bool multiple, CancellationToken cancellationToken) =>
            _deliveries.SettleAsync(_context, deliveryTag, isReturned: false, cancellationToken);

        Task ChannelContext.BasicNack(ulong deliveryTag, bool multiple, bool requeue,
            CancellationToken cancellationToken) =>
            _deliveries.SettleAsync(_context, deliveryTag, isReturned: requeue, cancellationToken).AsTask();
    }
}
