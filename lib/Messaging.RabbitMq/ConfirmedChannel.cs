using System.Collections.Concurrent;
using MassTransit;
using Messaging.Postgres.Commits;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Messaging.RabbitMq;

/// <summary>
/// A channel that says of each message when the broker has confirmed it. RabbitMQ's client does so, too, with a header in each
/// message; here the messages are counted. They are published one after the other by whoever finds nobody publishing.
/// </summary>
sealed class ConfirmedChannel
{
    const int MaxWaiting = 20_000;

    static readonly CachedString NoRoutingKey = new("");

    readonly IChannel _channel;
    readonly IConnection _connection;
    readonly CancellationTokenSource _ended = new();
    readonly Lock _gate = new();
    readonly Dictionary<ulong, Unconfirmed> _unconfirmed = [];
    readonly ConcurrentQueue<Unconfirmed> _waiting = new();
    Exception? _lost; // set once
    ulong _oldest = 1;
    ulong _published;
    int _publishing;

    ConfirmedChannel(IConnection connection, IChannel channel)
    {
        (_connection, _channel) = (connection, channel);
        channel.BasicAcksAsync += (_, ack) => Confirm(ack.DeliveryTag, ack.Multiple, null);
        channel.BasicNacksAsync += (_, nack) => Confirm(nack.DeliveryTag, nack.Multiple, new MassTransitException("The broker refused the message"));
        channel.BasicReturnAsync += (_, returned) => Return(returned);
        channel.ChannelShutdownAsync += (_, reason) => Lose(new OperationInterruptedException(reason));
    }

    /// <summary>Opens one on a connection.</summary>
    public static async Task<ConfirmedChannel> OpenAsync(IConnection connection, CancellationToken cancellationToken)
    {
        var options = new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false);
        return new ConfirmedChannel(connection, await connection.CreateChannelAsync(options, cancellationToken).ConfigureAwait(false));
    }

    public bool IsOpen => Volatile.Read(ref _lost) == null && _channel.IsOpen && _connection.IsOpen;

    /// <summary>Publishes a message; completes when the broker has confirmed it.</summary>
    /// <param name="exchange">Where it goes.</param>
    /// <param name="mandatory">It fails if no queue gets it.</param>
    /// <param name="properties">Its properties, with a message id.</param>
    /// <param name="body">What it says.</param>
    /// <param name="cancellationToken">Cancelled, it is not published any more; once it is, its end is waited for all the same.</param>
    /// <exception cref="MessageReturnedException">No queue got it.</exception>
    /// <exception cref="RabbitMqConnectionException">The connection was lost before the broker confirmed it.</exception>
    /// <exception cref="OperationInterruptedException">The broker closed the channel before.</exception>
    /// <exception cref="MassTransitException">The broker refused it, or takes nothing, and too many wait already.</exception>
    public Task Publish(CachedString exchange, bool mandatory, BasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        if (_waiting.Count >= MaxWaiting)
            return Task.FromException(new MassTransitException("The broker takes no messages, and too many wait for it already"));
        var message = new Unconfirmed(exchange, mandatory, properties, body, cancellationToken);
        _waiting.Enqueue(message);
        if (Interlocked.Exchange(ref _publishing, 1) == 0)
            Flow.StartClean(PublishWaiting);
        return message.Task;
    }

    async Task PublishWaiting()
    {
        do
        {
            while (_waiting.TryDequeue(out var message))
                if (Expect(message))
                    try
                    {
                        // A publisher that waits holds up the channel's end, and with it the connection's: it goes when the channel is lost.
                        await _channel.BasicPublishAsync(message.Exchange, NoRoutingKey, message.Mandatory, message.Properties, message.Body, _ended.Token)
                            .ConfigureAwait(false);
                    }
                    catch (Exception e)
                    {
                        await Lose(e).ConfigureAwait(false); // from here on the count is not the broker's
                    }
            Interlocked.Exchange(ref _publishing, 0); // a full fence: whoever came while it was 1 is seen below
        }
        while (!_waiting.IsEmpty && Interlocked.Exchange(ref _publishing, 1) == 0);
    }

    /// <summary>Counts a message that is published next; false if it is not to be.</summary>
    bool Expect(Unconfirmed message)
    {
        if (message.CancellationToken.IsCancellationRequested)
        {
            message.TrySetCanceled(message.CancellationToken);
            return false;
        }

        lock (_gate)
        {
            if (_lost == null)
                _unconfirmed.Add(++_published, message);
            else
                message.End(_lost);
            return _lost == null;
        }
    }

    Task Confirm(ulong number, bool multiple, Exception? error)
    {
        lock (_gate)
        {
            for (var confirmed = multiple ? _oldest : number; confirmed <= number; confirmed++)
                if (_unconfirmed.Remove(confirmed, out var message))
                    message.End(error);
            while (_oldest <= _published && !_unconfirmed.ContainsKey(_oldest))
                _oldest++;
        }

        return Task.CompletedTask;
    }

    /// <summary>The broker tells of it before it confirms it.</summary>
    Task Return(BasicReturnEventArgs returned)
    {
        lock (_gate)
            foreach (var (number, message) in _unconfirmed)
                if (message.Mandatory && message.Properties.MessageId == returned.BasicProperties.MessageId && message.Exchange.Value == returned.Exchange)
                {
                    _unconfirmed.Remove(number);
                    message.End(new MessageReturnedException($"The broker returned the message: {returned.ReplyText}"));
                    break;
                }

        return Task.CompletedTask;
    }

    /// <summary>
    /// Also while the channel is being shut down, for whose end the connection waits. It is not disposed of then: the client has let go of
    /// it, and whoever waits for its lock would wait for ever.
    /// </summary>
    Task Lose(Exception cause)
    {
        lock (_gate)
        {
            _lost ??= _connection.IsOpen ? cause : new RabbitMqConnectionException("The connection was lost before the broker confirmed the message", cause);
            foreach (var message in _unconfirmed.Values)
                message.End(_lost);
            _unconfirmed.Clear();
        }

        _ = _ended.CancelAsync();
        if (_channel.IsOpen)
            _ = _channel.AbortAsync();
        return Task.CompletedTask;
    }

    sealed class Unconfirmed(CachedString exchange, bool mandatory, BasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
        : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public CachedString Exchange => exchange;
        public bool Mandatory => mandatory;
        public BasicProperties Properties => properties;
        public ReadOnlyMemory<byte> Body => body;
        public CancellationToken CancellationToken => cancellationToken;

        public void End(Exception? error)
        {
            if (error == null)
                TrySetResult();
            else
                TrySetException(error);
        }
    }
}
