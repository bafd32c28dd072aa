using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.RabbitMqTransport;
using MassTransit.RabbitMqTransport.Configuration;
using MassTransit.Transports;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>
/// Sends committed messages on a channel of its own, on MassTransit's connection: what is serialised and addressed already need not go
/// through its send pipeline a second time. What an address needs is declared as MassTransit would, once for each channel. The bus sends
/// what is not plain: a message with headers or properties of its own (while MassTransit is traced, each has the trace's), and one that
/// was read back from its row. What observes or counts the messages that the bus sends sees only those.
/// </summary>
sealed partial class RabbitTransport<TDbContext>(BusTransport<TDbContext> bus, IBusInstance instance, ILogger<RabbitTransport<TDbContext>> log)
    : IOutboxTransport<TDbContext>
    where TDbContext : DbContext
{
    // What MassTransit calls these when it writes a message's properties down.
    const string Exchange = "RMQ-Exchange";
    const string Mandatory = "Mandatory";

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    readonly IRabbitMqHostConfiguration _host = (IRabbitMqHostConfiguration)instance.HostConfiguration;
    readonly Lock _gate = new();
    IConnection? _blocked; // the broker takes nothing from it
    IConnection? _known;
    Task<Opened>? _opened;

    IConnectionContextSupervisor Connections => _host.ConnectionContextSupervisor;

    public bool IsThere => bus.IsThere && Volatile.Read(ref _blocked) is not { IsOpen: true };

    /// <summary>
    /// Opens the channel and declares what messages need; waits for the broker. What it refuses is logged: the first message that needs
    /// it tries again.
    /// </summary>
    /// <param name="sendsTo">Where messages are sent.</param>
    /// <param name="publishes">The types of published messages.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task Prepare(IEnumerable<Uri> sendsTo, IEnumerable<Type> publishes, CancellationToken cancellationToken)
    {
        await Open().WaitAsync(cancellationToken).ConfigureAwait(false); // whether there are addresses or not
        var addresses = sendsTo.Select(x => (Uri)new RabbitMqEndpointAddress(_host.HostAddress, x))
            .Concat(publishes.Select(x => _host.Topology.TryGetPublishAddress(x, out var address) ? address : throw new MessageException(x, "It cannot be published")));
        foreach (var address in addresses)
            try
            {
                await Reach(address.ToString(), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is not OutOfMemoryException && !cancellationToken.IsCancellationRequested)
            {
                LogNotDeclared(e, address);
            }
    }

    public async Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken)
    {
        if (!IsPlain(message) || Connections.Stopping.IsCancellationRequested)
        {
            if (!Connections.Stopping.IsCancellationRequested)
                await Open().WaitAsync(cancellationToken).ConfigureAwait(false); // the connection is watched before anything is published on it
            await bus.Send(message, now, cancellationToken).ConfigureAwait(false);
            return;
        }

        while (true)
        {
            var (opened, exchange) = await Reach(message.DestinationAddress, cancellationToken).ConfigureAwait(false);
            try
            {
                await Publish(opened.Channel, exchange, message, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (ConnectionException) when (!cancellationToken.IsCancellationRequested)
            {
                // Whether the broker has it is not known: it gets it again, by the next connection.
            }
            catch (MessageReturnedException)
            {
                opened.Declared.TryRemove(message.DestinationAddress, out _);
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

    /// <summary>Its exchange, and whether a queue must get it, are all that there is to say about where and how it goes.</summary>
    static bool IsPlain(OutboxMessage message) =>
        message is { SerializedBody: not null, ExpirationTime: null, HeaderValues.Count: 0, PropertyValues: { } properties }
        && properties.ContainsKey(Exchange)
        && properties.Count == (properties.ContainsKey(Mandatory) ? 2 : 1);

    /// <summary>The open channel and the exchange of an address; by the next connection if one is lost.</summary>
    async ValueTask<(Opened Opened, CachedString Exchange)> Reach(string address, CancellationToken cancellationToken)
    {
        while (true)
            try
            {
                var opened = await Open().WaitAsync(cancellationToken).ConfigureAwait(false);
                return (opened, await ExchangeOf(address, opened).WaitAsync(cancellationToken).ConfigureAwait(false));
            }
            catch (ConnectionException) when (!cancellationToken.IsCancellationRequested)
            {
                // Nothing was sent.
            }
    }

    /// <summary>The exchange of an address, when what it needs has been declared since the channel was opened.</summary>
    Task<CachedString> ExchangeOf(string address, Opened opened) =>
        opened.Declared.TryGetValue(address, out var declared) && declared is { IsCompleted: false } or { IsCompletedSuccessfully: true }
            ? declared
            : opened.Declared[address] = Declare(address, opened.Connection);

    /// <summary>On a channel that nothing else is done on: the broker closes it if it refuses something.</summary>
    async Task<CachedString> Declare(string address, IConnection connection)
    {
        var settings = _host.Topology.SendTopology.GetSendSettings(new RabbitMqEndpointAddress(_host.HostAddress, new Uri(address)));
        var topology = settings.GetBrokerTopology();
        var stopping = Connections.Stopping;
        try
        {
            await using var channel = await connection.CreateChannelAsync(cancellationToken: stopping).ConfigureAwait(false);
            foreach (var x in topology.Exchanges)
                await channel.ExchangeDeclareAsync(x.ExchangeName, x.ExchangeType, x.Durable, x.AutoDelete, x.ExchangeArguments!, cancellationToken: stopping).ConfigureAwait(false);
            foreach (var x in topology.Queues)
                await channel.QueueDeclareAsync(x.QueueName, x.Durable, x.Exclusive, x.AutoDelete, x.QueueArguments!, cancellationToken: stopping).ConfigureAwait(false);
            foreach (var x in topology.ExchangeBindings)
                await channel.ExchangeBindAsync(x.Destination.ExchangeName, x.Source.ExchangeName, x.RoutingKey, x.Arguments!, cancellationToken: stopping).ConfigureAwait(false);
            foreach (var x in topology.QueueBindings)
                await channel.QueueBindAsync(x.Destination.QueueName, x.Source.ExchangeName, x.RoutingKey, x.Arguments!, cancellationToken: stopping).ConfigureAwait(false);
            return new CachedString(settings.ExchangeName);
        }
        catch (Exception e) when (!connection.IsOpen)
        {
            throw new RabbitMqConnectionException($"The connection was lost before {address} was declared", e);
        }
    }

    Task<Opened> Open()
    {
        var opened = Volatile.Read(ref _opened);
        if (IsUsable(opened))
            return opened;
        lock (_gate)
        {
            if (!IsUsable(_opened))
                using (ExecutionContext.SuppressFlow())
                    _opened = Task.Run(OpenNext);
            return _opened;
        }
    }

    /// <summary>Under way, or open.</summary>
    static bool IsUsable([NotNullWhen(true)] Task<Opened>? opened) =>
        opened is { IsCompleted: false } or { IsCompletedSuccessfully: true, Result.Channel.IsOpen: true };

    async Task<Opened> OpenNext()
    {
        for (var said = ""; ;)
            try
            {
                IConnection? connection = null;
                await Connections.Send(Pipe.Execute<ConnectionContext>(x => connection = x.Connection), Connections.Stopping).ConfigureAwait(false);
                Watch(connection!);
                return new Opened(connection!, await ConfirmedChannel.OpenAsync(connection!, Connections.Stopping).ConfigureAwait(false), new());
            }
            catch (Exception e) when (e is not OutOfMemoryException && !Connections.Stopping.IsCancellationRequested)
            {
                // A connection that has just been lost may still be MassTransit's current one.
                if (said != e.Message)
                    LogNotOpened(said = e.Message);
                await Task.Delay(Pause, Connections.Stopping).ConfigureAwait(false);
            }
    }

    /// <summary>A broker that is short of memory or disk reads no more from who publishes, until it has enough; it says so.</summary>
    void Watch(IConnection connection)
    {
        if (connection == _known)
            return;
        _known = connection;
        connection.ConnectionBlockedAsync += (_, blocked) =>
        {
            Volatile.Write(ref _blocked, connection);
            LogBlocked(blocked.Reason);
            return Task.CompletedTask;
        };
        connection.ConnectionUnblockedAsync += (_, _) =>
        {
            Interlocked.CompareExchange(ref _blocked, null, connection);
            LogUnblocked();
            return Task.CompletedTask;
        };
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The broker takes no messages, which wait in the outbox: {Reason}")]
    partial void LogBlocked(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "The broker takes messages again")]
    partial void LogUnblocked();

    [LoggerMessage(Level = LogLevel.Information, Message = "No channel to send on yet; it is tried again ten times a second: {Reason}")]
    partial void LogNotOpened(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What {Address} needs could not be declared; the first message to it tries again")]
    partial void LogNotDeclared(Exception error, Uri address);

    /// <summary>A connection, a channel on it, and the exchanges of the addresses that were declared, or are being so, since it was opened.</summary>
    sealed record Opened(IConnection Connection, ConfirmedChannel Channel, ConcurrentDictionary<string, Task<CachedString>> Declared);
}
