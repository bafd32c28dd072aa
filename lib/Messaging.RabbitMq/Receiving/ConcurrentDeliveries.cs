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
sealed class ConcurrentDeliveries(int limit) : IFilter<ChannelContext>
{
    /// <summary>Adds this filter to the channel of an endpoint.</summary>
    public static void Use(IRabbitMqReceiveEndpointConfigurator endpoint, int limit)
    {
        endpoint.ConcurrentMessageLimit = 1; // the number of the client's loops
        endpoint.ConfigureChannel(x => x.UseFilter(new ConcurrentDeliveries(limit)));
    }

    public async Task Send(ChannelContext context, IPipe<ChannelContext> next)
    {
        using var channel = new Channel(context, limit);
        await next.Send(channel).ConfigureAwait(false);
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("concurrentDeliveries").Add("limit", limit);

    sealed class Channel : ScopeChannelContext, ChannelContext
    {
        readonly ChannelContext _context;
        readonly int _limit;

        public Channel(ChannelContext context, int limit)
            : base(context, CancellationToken.None) => (_context, _limit) = (context, limit);

        Task<string> ChannelContext.BasicConsume(string queue, bool noAck, bool exclusive,
            IDictionary<string, object> arguments, IAsyncBasicConsumer consumer, string consumerTag,
            CancellationToken cancellationToken) =>
            _context.BasicConsume(queue, noAck, exclusive, arguments, new ConcurrentConsumer(consumer, _limit),
                consumerTag, cancellationToken);

        // Avoids the base class, which creates a linked token for each acknowledgement.
        ValueTask ChannelContext.BasicAck(ulong deliveryTag, bool multiple, CancellationToken cancellationToken) =>
            _context.BasicAck(deliveryTag, multiple, cancellationToken);
    }
}
