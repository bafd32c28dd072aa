using MassTransit;
using MassTransit.RabbitMqTransport;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Messaging.RabbitMq;

/// <summary>
/// Has the messages of a channel handled side by side. RabbitMQ's client does so with as many loops as there may be messages at once,
/// and wakes all that rest for each message that comes; here its one loop starts each message's handling and goes on to the next. What a
/// handler does before it first waits is done on that loop: one that blocks there holds up the queue's others.
/// </summary>
/// <param name="limit">How many at once.</param>
sealed class ConcurrentDeliveries(int limit) : IFilter<ChannelContext>
{
    /// <summary>Has an endpoint's channel use it.</summary>
    public static void Use(IRabbitMqReceiveEndpointConfigurator endpoint, int limit)
    {
        endpoint.ConcurrentMessageLimit = 1; // so many loops the client has
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

        Task<string> ChannelContext.BasicConsume(string queue, bool noAck, bool exclusive, IDictionary<string, object> arguments,
            IAsyncBasicConsumer consumer, string consumerTag, CancellationToken cancellationToken) =>
            _context.BasicConsume(queue, noAck, exclusive, arguments, new Consumer(consumer, _limit), consumerTag, cancellationToken);

        // The scope's own makes a linked token for each.
        ValueTask ChannelContext.BasicAck(ulong deliveryTag, bool multiple, CancellationToken cancellationToken) =>
            _context.BasicAck(deliveryTag, multiple, cancellationToken);
    }

    /// <summary>Starts each delivery's handling by another consumer.</summary>
    internal sealed class Consumer(IAsyncBasicConsumer consumer, int limit) : IAsyncBasicConsumer
    {
        readonly SemaphoreSlim _room = new(limit);

        public IChannel? Channel => consumer.Channel;

        public async Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey,
            IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            var copy = body.ToArray(); // the client uses the memory again when this returns
            await _room.WaitAsync(cancellationToken).ConfigureAwait(false);
            _ = Handle(); // MassTransit's consumer logs what fails in it, and waits for what is in flight before it stops

            async Task Handle()
            {
                try
                {
                    await consumer.HandleBasicDeliverAsync(consumerTag, deliveryTag, redelivered, exchange, routingKey, properties, copy, cancellationToken)
                        .ConfigureAwait(false);
                }
                finally
                {
                    _room.Release();
                }
            }
        }

        public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken = default) =>
            consumer.HandleBasicConsumeOkAsync(consumerTag, cancellationToken);

        public Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default) =>
            consumer.HandleBasicCancelAsync(consumerTag, cancellationToken);

        public Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default) =>
            consumer.HandleBasicCancelOkAsync(consumerTag, cancellationToken);

        public Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason) => consumer.HandleChannelShutdownAsync(channel, reason);
    }
}
