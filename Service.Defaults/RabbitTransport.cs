using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.RabbitMqTransport;
using MassTransit.RabbitMqTransport.Configuration;
using MassTransit.Transports;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using RabbitMQ.Client;

namespace Service.Defaults;

/// <summary>
/// Sends committed messages on a channel of its own, on MassTransit's connection: what is serialised and addressed already need not go
/// through its send pipeline a second time. The bus sends what is not plain: a message with headers or properties of its own (while
/// MassTransit is traced, each has the trace's), one that was read back from its row, and the first to each exchange on a new channel,
/// for MassTransit declares the exchange then. What observes or counts the messages that the bus sends sees only those.
/// </summary>
sealed class RabbitTransport<TDbContext>(BusTransport<TDbContext> bus, IBusInstance instance) : IOutboxTransport<TDbContext>
    where TDbContext : DbContext
{
    // What MassTransit calls these when it writes a message's properties down.
    const string Exchange = "RMQ-Exchange";
    const string Mandatory = "Mandatory";

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    readonly IRabbitMqHostConfiguration _host = (IRabbitMqHostConfiguration)instance.HostConfiguration;
    readonly Lock _gate = new();
    Task<ConfirmedChannel>? _channel;

    public bool IsThere => bus.IsThere;

    public async Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken)
    {
        while (PlainExchange(message) is { } name)
        {
            var channel = await OpenChannel().WaitAsync(cancellationToken).ConfigureAwait(false);
            if (!channel.Exchanges.TryGetValue(name, out var exchange))
            {
                await bus.Send(message, now, cancellationToken).ConfigureAwait(false);
                channel.Exchanges[name] = new CachedString(name);
                return;
            }

            var properties = new BasicProperties
            {
                MessageId = message.MessageId.ToString(),
                CorrelationId = message.CorrelationId?.ToString(),
                ContentType = message.ContentType,
                Persistent = true,
            };
            try
            {
                await channel.Publish(exchange, message.PropertyValues!.ContainsKey(Mandatory), properties, message.SerializedBody!.GetBytes(), cancellationToken)
                    .ConfigureAwait(false);
                return;
            }
            catch (ConnectionException) when (!cancellationToken.IsCancellationRequested)
            {
                // Whether the broker has it is not known: it gets it again, by the next connection.
            }
        }

        await bus.Send(message, now, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The exchange, if that is all there is to say about where and how the message goes; else null.</summary>
    static string? PlainExchange(OutboxMessage message) =>
        message is { SerializedBody: not null, ExpirationTime: null, HeaderValues.Count: 0, PropertyValues: { } properties }
        && properties.TryGetValue(Exchange, out var exchange)
        && properties.Count == (properties.ContainsKey(Mandatory) ? 2 : 1)
            ? exchange as string
            : null;

    Task<ConfirmedChannel> OpenChannel()
    {
        var channel = Volatile.Read(ref _channel);
        if (channel is { IsCompletedSuccessfully: true, Result.IsOpen: true })
            return channel;
        lock (_gate)
        {
            if (_channel is null or { IsFaulted: true } or { IsCanceled: true } or { IsCompletedSuccessfully: true, Result.IsOpen: false })
                _channel = Task.Run(Open);
            return _channel;
        }
    }

    async Task<ConfirmedChannel> Open()
    {
        var stopping = _host.ConnectionContextSupervisor.Stopping;
        while (true)
            try
            {
                IConnection? connection = null;
                await _host.ConnectionContextSupervisor.Send(Pipe.Execute<ConnectionContext>(x => connection = x.Connection), stopping).ConfigureAwait(false);
                return await ConfirmedChannel.OpenAsync(connection!, stopping).ConfigureAwait(false);
            }
            catch (Exception e) when (e is not OutOfMemoryException && !stopping.IsCancellationRequested)
            {
                // MassTransit says why it cannot connect; a connection that has just been lost may still be its current one.
                await Task.Delay(Pause, stopping).ConfigureAwait(false);
            }
    }
}
