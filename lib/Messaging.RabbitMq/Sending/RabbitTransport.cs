using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using MassTransit;
using MassTransit.DependencyInjection;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.RabbitMqTransport;
using MassTransit.RabbitMqTransport.Configuration;
using MassTransit.Transports;
using Messaging.Postgres.Observability;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>
/// Sends committed messages on a separate channel of MassTransit's connection. They are serialized and addressed
/// already, so they skip MassTransit's send pipeline. The exchanges and queues of an address are declared once per
/// channel.
/// </summary>
/// <remarks>
/// Messages with properties or with headers other than their trace, and those of another bus go through MassTransit's
/// send pipeline instead. Its send observers, metrics and spans see only those. It declares what it sends to, so the
/// service must have the right to.
/// </remarks>
sealed partial class RabbitTransport<TDbContext>(BusTransport<TDbContext> bus, Bind<IBus, IBusInstance> defaultBus,
    BrokerConnection broker, BatchQueues batchQueues, IOptions<RabbitTransportOptions> options,
    ILogger<RabbitTransport<TDbContext>> log)
    : IOutboxTransport<TDbContext>
    where TDbContext : DbContext
{
    // MassTransit's names of the transport properties.
    const string Exchange = "RMQ-Exchange";
    const string Mandatory = "Mandatory";

    /// <summary>The content type whose messages are stored as the text that is sent.</summary>
    const string JsonEnvelope = "application/vnd.masstransit+json";

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    readonly Dictionary<string, string> _batchAddresses = options.Value.BatchQueues
        .ToDictionary(x => x, x => $"exchange:{MessageBatch.QueueOf(x)}");

    readonly IConnectionContextSupervisor _connections = defaultBus.Value.Connections();

    readonly LogLimit _alarms = new(), _notOpened = new(), _notCombined = new();
    readonly Lock _lock = new();
    readonly RabbitTopology _topology = new((IRabbitMqHostConfiguration)defaultBus.Value.HostConfiguration);
    string _alarm = "";
    IConnection? _blocked; // the connection on which the broker blocks publishers
    Task<OpenChannel>? _channel;
    IConnection? _watched;

    public bool IsAvailable
    {
        get
        {
            ReportAlarm(); // recovery asks once a second
            return bus.IsAvailable && !IsBlocked;
        }
    }

    public bool IsAvailableFor(OutboxMessage message) =>
        bus.IsAvailableFor(message) && !(IsBlocked && IsOwn(message, out _));

    bool IsBlocked => Volatile.Read(ref _blocked) is { IsOpen: true };

    /// <summary>
    /// Opens the channel and declares addresses; waits for the broker. An address that the broker refuses is logged,
    /// and declared again by the first message to it.
    /// </summary>
    /// <param name="sendsTo">The addresses that messages are sent to.</param>
    /// <param name="publishes">The types of published messages.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public async Task Prepare(IEnumerable<Uri> sendsTo, IEnumerable<Type> publishes,
        CancellationToken cancellationToken)
    {
        await OpenAsync().WaitAsync(cancellationToken).ConfigureAwait(false); // also if there are no addresses
        foreach (var address in sendsTo.Select(_topology.AddressOf).Concat(publishes.Select(_topology.AddressOf)))
            try
            {
                await Resolve(address.ToString(), cancellationToken).ConfigureAwait(false);
            }
            catch (MessageReturnedException e)
            {
                LogNotThere(address.AbsolutePath.Split('/')[^1], Reason.Of(e));
            }
            catch (Exception e) when (e is not OutOfMemoryException && !cancellationToken.IsCancellationRequested)
            {
                LogNotDeclared(address.AbsolutePath.Split('/')[^1], Reason.Of(e));
            }
    }

    public async Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken)
    {
        var (isOwn, isStopping) = (IsOwn(message, out var target), _connections.Stopping.IsCancellationRequested);
        if (!isOwn || isStopping || !IsPlain(message))
        {
            if (isOwn && !isStopping)
                // Alarms are watched before the first publish.
                await OpenAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
            await bus.Send(message, now, cancellationToken).ConfigureAwait(false);
            return;
        }

        await target.Started.WaitAsync(cancellationToken).ConfigureAwait(false);
        while (true)
        {
            var (open, exchange) = await Resolve(message.DestinationAddress, cancellationToken).ConfigureAwait(false);
            try
            {
                await Publish(open, exchange, message, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (ConnectionException) when (!cancellationToken.IsCancellationRequested)
            {
                // The broker may have the message. It is sent again on the next connection; inboxes drop duplicates.
            }
            catch (MessageReturnedException)
            {
                open.Exchanges.TryRemove(message.DestinationAddress, out _);
                throw;
            }
        }
    }

    /// <summary>Whether the message leaves by the default bus, whose connection this transport uses.</summary>
    bool IsOwn(OutboxMessage message, out SendingBus target) =>
        (target = bus.Of(message.DestinationAddress)).Instance == defaultBus.Value;

    Task Publish(OpenChannel open, CachedString exchange, OutboxMessage message, CancellationToken cancellationToken)
    {
        var properties = new BasicProperties
        {
            MessageId = message.MessageId.ToString(),
            CorrelationId = message.CorrelationId?.ToString(),
            ContentType = message.ContentType,
            UserId = open.UserName,
            Persistent = true,
        };
        if (message.TraceParent is { } parent)
            properties.Headers = new Dictionary<string, object?> { [MessageSpans.Header] = parent };
        var body = message.SerializedBody?.GetBytes() ?? Encoding.UTF8.GetBytes(message.Body);
        return open.Channel.Publish(exchange, PropertiesOf(message).ContainsKey(Mandatory), properties, body,
            BatchExchangeOf(exchange, open), cancellationToken);
    }

    /// <summary>The declared exchange of an exchange's batches; null while nobody consumes batches.</summary>
    CachedString? BatchExchangeOf(CachedString exchange, OpenChannel open)
    {
        if (!_batchAddresses.TryGetValue(exchange.Value, out var address)
            || !batchQueues.AreConsumed(exchange.Value))
            return null;
        return ExchangeOf(address, open) is { IsCompletedSuccessfully: true, Result: var declared } ? declared : null;
    }

    /// <summary>
    /// Whether the message has no properties beside its exchange and the mandatory flag, and no header but its trace.
    /// </summary>
    static bool IsPlain(OutboxMessage message)
    {
        if (message.ExpirationTime != null || message.SerializedBody == null && message.ContentType != JsonEnvelope)
            return false;
        var headers = message.HeaderValues ?? OutboxMessage.FromJson(message.Headers);
        if (headers.Count != (headers.ContainsKey(MessageSpans.Header) ? 1 : 0))
            return false;
        var properties = PropertiesOf(message);
        return properties.ContainsKey(Exchange) && properties.Count == (properties.ContainsKey(Mandatory) ? 2 : 1);
    }

    static IReadOnlyDictionary<string, object> PropertiesOf(OutboxMessage message) =>
        message.PropertyValues ?? OutboxMessage.FromJson(message.Properties);

    /// <summary>
    /// The open channel and the exchange of an address; retried on the next connection if one is lost.
    /// </summary>
    async ValueTask<(OpenChannel Open, CachedString Exchange)> Resolve(string address,
        CancellationToken cancellationToken)
    {
        while (true)
            try
            {
                var open = await OpenAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
                return (open, await ExchangeOf(address, open).WaitAsync(cancellationToken).ConfigureAwait(false));
            }
            catch (ConnectionException) when (!cancellationToken.IsCancellationRequested)
            {
                // Nothing was sent.
            }
    }

    /// <summary>The exchange of an address, once the address is declared on this channel's connection.</summary>
    Task<CachedString> ExchangeOf(string address, OpenChannel open) =>
        open.Exchanges.TryGetValue(address, out var declared)
        && declared is { IsCompleted: false } or { IsCompletedSuccessfully: true }
            ? declared
            : open.Exchanges[address] = _topology.Declare(address, open.Connection, _connections.Stopping);

    Task<OpenChannel> OpenAsync()
    {
        var channel = Volatile.Read(ref _channel);
        if (IsUsable(channel))
            return channel;
        lock (_lock)
        {
            if (!IsUsable(_channel))
                using (ExecutionContext.SuppressFlow())
                    _channel = Task.Run(OpenNextAsync);
            return _channel;
        }
    }

    /// <summary>Whether the channel is open or being opened.</summary>
    static bool IsUsable([NotNullWhen(true)] Task<OpenChannel>? channel) =>
        channel is { IsCompleted: false } or { IsCompletedSuccessfully: true, Result.Channel.IsOpen: true };

    async Task<OpenChannel> OpenNextAsync()
    {
        while (true)
            try
            {
                var connection = await _connections.GetAsync(_connections.Stopping).ConfigureAwait(false);
                Watch(connection);
                var channel = await ConfirmedChannel.OpenAsync(connection, ReportNotCombined, _connections.Stopping)
                    .ConfigureAwait(false);
                if (_notOpened.HasEnded(out var duration))
                    LogOpened(duration);
                return new OpenChannel(connection, broker.UserName, channel, new());
            }
            catch (Exception e) when (e is not OutOfMemoryException && !_connections.Stopping.IsCancellationRequested)
            {
                // MassTransit may still return a connection that has just been lost.
                if (_notOpened.IsDue(e, out var count))
                    LogNotOpened(Reason.Of(e), count);
                await Task.Delay(Pause, _connections.Stopping).ConfigureAwait(false);
            }
    }

    /// <summary>Watches for a memory or disk alarm, during which the broker blocks publishers.</summary>
    void Watch(IConnection connection)
    {
        if (connection == _watched)
            return;
        _watched = connection;
        RabbitMetrics.PublishersBlocked(false);
        connection.ConnectionBlockedAsync += (_, blocked) =>
        {
            _alarm = blocked.Reason;
            Volatile.Write(ref _blocked, connection);
            RabbitMetrics.PublishersBlocked(true);
            ReportAlarm();
            return Task.CompletedTask;
        };
        connection.ConnectionUnblockedAsync += (_, _) =>
        {
            Interlocked.CompareExchange(ref _blocked, null, connection);
            RabbitMetrics.PublishersBlocked(false);
            ReportAlarm();
            return Task.CompletedTask;
        };
    }

    void ReportNotCombined(Exception error)
    {
        if (_notCombined.IsDue(error, out var count))
            LogNotCombined(error, count);
    }

    void ReportAlarm()
    {
        if (IsBlocked)
        {
            if (_alarms.IsDue(_alarm, out _))
                LogBlocked(_alarm);
        }
        else if (_alarms.HasEnded(out var duration))
        {
            LogUnblocked(duration);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message =
        "RabbitMQ has raised a memory or disk alarm and blocks publishers. Messages wait in the outbox; free memory or "
        + "disk on the broker: {Reason}")]
    partial void LogBlocked(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "RabbitMQ's memory or disk alarm has ended after {Duration}; messages are sent again")]
    partial void LogUnblocked(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "Messages that wait together cannot be sent as one, and are sent one by one. Nothing is lost, but this is a "
        + "fault of the service. Failures since the last such line: {Count}")]
    partial void LogNotCombined(Exception error, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The channel for outgoing messages cannot be opened; they wait in the outbox. It is retried ten times a "
        + "second: {Reason}. Failures since the last such line: {Count}")]
    partial void LogNotOpened(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The channel for outgoing messages is open again, after {Duration}")]
    partial void LogOpened(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "RabbitMQ has refused to declare the exchange or queue {Queue}, which this service sends to. Its first message "
        + "tries again; check the rights of the user, and whether it exists with other arguments: {Reason}")]
    partial void LogNotDeclared(string queue, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "The exchange {Queue} does not exist yet, because the "
        + "service that receives from it has never run. Messages to it wait in the outbox: {Reason}")]
    partial void LogNotThere(string queue, string reason);

    /// <summary>
    /// A channel, its connection and its login, and the exchanges of the addresses that are declared since it was
    /// opened.
    /// </summary>
    sealed record OpenChannel(IConnection Connection, string? UserName, ConfirmedChannel Channel,
        ConcurrentDictionary<string, Task<CachedString>> Exchanges);
}
