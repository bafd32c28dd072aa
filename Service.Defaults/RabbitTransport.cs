using System.Collections.Concurrent;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.RabbitMqTransport;
using MassTransit.RabbitMqTransport.Configuration;
using MassTransit.Transports;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;

namespace Service.Defaults;

/// <summary>
/// Sends committed messages on a channel of its own, on MassTransit's connection: what is serialised and addressed already need not go
/// through its send pipeline a second time. The bus sends what is not plain: a message with headers or properties of its own (while
/// MassTransit is traced, each has the trace's), one that was read back from its row, and the first to each address on a new channel,
/// for MassTransit declares what it needs then. What observes or counts the messages that the bus sends sees only those.
/// </summary>
sealed partial class RabbitTransport<TDbContext>(BusTransport<TDbContext> bus, IBusInstance instance, ILogger<RabbitTransport<TDbContext>> log)
    : IOutboxTransport<TDbContext>
    where TDbContext : DbContext
{
    // What MassTransit calls these when it writes a message's properties down.
    const string Exchange = "RMQ-Exchange";
    const string Mandatory = "Mandatory";

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    readonly IConnectionContextSupervisor _connections = ((IRabbitMqHostConfiguration)instance.HostConfiguration).ConnectionContextSupervisor;
    readonly Lock _gate = new();
    Task<Opened>? _opened;

    public bool IsThere => bus.IsThere;

    public async Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken)
    {
        if (PlainExchange(message) is not { } exchange || _connections.Stopping.IsCancellationRequested)
        {
            await bus.Send(message, now, cancellationToken).ConfigureAwait(false);
            return;
        }

        while (true)
        {
            var (channel, declared) = await Open().WaitAsync(cancellationToken).ConfigureAwait(false);
            if (!declared.TryGetValue(message.DestinationAddress, out var known))
            {
                await bus.Send(message, now, cancellationToken).ConfigureAwait(false);
                declared[message.DestinationAddress] = new CachedString(exchange);
                return;
            }

            try
            {
                await Publish(channel, known, message, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (ConnectionException) when (!cancellationToken.IsCancellationRequested)
            {
                // Whether the broker has it is not known: it gets it again, by the next connection.
            }
            catch (MessageReturnedException)
            {
                declared.TryRemove(message.DestinationAddress, out _);
                throw;
            }
        }
    }

    static Task Publish(ConfirmedChannel channel, CachedString exchange, OutboxMessage message, CancellationToken cancellationToken)
    {
        var properties = new BasicProperties
        {
            MessageId = message.MessageId.ToString(),
            CorrelationId = message.CorrelationId?.ToString(),
            ContentType = message.ContentType,
            Persistent = true,
        };
        return channel.Publish(exchange, message.PropertyValues!.ContainsKey(Mandatory), properties, message.SerializedBody!.GetBytes(), cancellationToken);
    }

    /// <summary>The exchange, if that is all there is to say about where and how the message goes; else null.</summary>
    static string? PlainExchange(OutboxMessage message) =>
        message is { SerializedBody: not null, ExpirationTime: null, HeaderValues.Count: 0, PropertyValues: { } properties }
        && properties.TryGetValue(Exchange, out var exchange)
        && properties.Count == (properties.ContainsKey(Mandatory) ? 2 : 1)
            ? exchange as string
            : null;

    Task<Opened> Open()
    {
        var opened = Volatile.Read(ref _opened);
        if (opened is { IsCompletedSuccessfully: true, Result.Channel.IsOpen: true })
            return opened;
        lock (_gate)
        {
            if (_opened is null or { IsFaulted: true } or { IsCanceled: true } or { IsCompletedSuccessfully: true, Result.Channel.IsOpen: false })
                using (ExecutionContext.SuppressFlow())
                    _opened = Task.Run(OpenNext);
            return _opened;
        }
    }

    async Task<Opened> OpenNext()
    {
        for (var said = ""; ;)
            try
            {
                IConnection? connection = null;
                await _connections.Send(Pipe.Execute<ConnectionContext>(x => connection = x.Connection), _connections.Stopping).ConfigureAwait(false);
                return new Opened(await ConfirmedChannel.OpenAsync(connection!, _connections.Stopping).ConfigureAwait(false), new());
            }
            catch (Exception e) when (e is not OutOfMemoryException && !_connections.Stopping.IsCancellationRequested)
            {
                // A connection that has just been lost may still be MassTransit's current one.
                if (said != e.Message)
                    LogNotOpened(said = e.Message);
                await Task.Delay(Pause, _connections.Stopping).ConfigureAwait(false);
            }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "No channel to send on yet; it is tried again ten times a second: {Reason}")]
    partial void LogNotOpened(string reason);

    /// <summary>A channel, and the exchanges of the addresses for which MassTransit has declared all that is needed since it was opened.</summary>
    sealed record Opened(ConfirmedChannel Channel, ConcurrentDictionary<string, CachedString> Declared);
}
