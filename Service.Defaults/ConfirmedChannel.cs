using System.Collections.Concurrent;
using MassTransit;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Service.Defaults;

/// <summary>
/// A channel that says of each message when the broker has confirmed it. RabbitMQ's client does so, too, with a header in each
/// message; here the messages are counted. They are published one after the other by whoever finds nobody publishing.
/// </summary>
sealed class ConfirmedChannel
{
    static readonly CachedString NoRoutingKey = new("");

    readonly IChannel _channel;
    readonly IConnection _connection;
    readonly Lock _gate = new();
    readonly Dictionary<ulong, Unconfirmed> _unconfirmed = [];
    readonly ConcurrentQueue<Unconfirmed> _waiting = new();
    Exception? _lost;
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

    public bool IsOpen => _channel.IsOpen;

    /// <summary>The exchanges that were there since it was opened, by their names.</summary>
    public ConcurrentDictionary<string, CachedString> Exchanges { get; } = new();

    /// <summary>Publishes a message; completes when the broker has confirmed it.</summary>
    /// <param name="exchange">Where it goes.</param>
    /// <param name="mandatory">It fails if no queue gets it.</param>
    /// <param name="properties">Its properties, with a message id.</param>
    /// <param name="body">What it says.</param>
    /// <param name="cancellationToken">Cancelled, it is not published any more; once it is, its end is waited for all the same.</param>
    /// <exception cref="MessageReturnedException">No queue got it.</exception>
    /// <exception cref="RabbitMqConnectionException">The connection was lost before the broker confirmed it.</exception>
    /// <exception cref="OperationInterruptedException">The broker closed the channel before.</exception>
    public Task Publish(CachedString exchange, bool mandatory, BasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var message = new Unconfirmed(exchange, mandatory, properties, body, cancellationToken);
        _waiting.Enqueue(message);
        if (Interlocked.Exchange(ref _publishing, 1) == 0)
            _ = PublishWaiting();
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
                        await _channel.BasicPublishAsync(message.Exchange, NoRoutingKey, message.Mandatory, message.Properties, message.Body).ConfigureAwait(false);
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
            return !message.TrySetCanceled(message.CancellationToken);
        lock (_gate)
        {
            if (_lost == null)
            {
                _unconfirmed.Add(++_published, message);
                return true;
            }
        }

        message.TrySetException(_lost);
        return false;
    }

    Task Confirm(ulong number, bool multiple, Exception? error)
    {
        lock (_gate)
        {
            for (var first = multiple ? _oldest : number; first <= number; first++)
                if (_unconfirmed.Remove(first, out var message))
                    message.End(error);
            if (multiple)
                _oldest = Math.Max(_oldest, number + 1);
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

    Task Lose(Exception cause)
    {
        lock (_gate)
        {
            _lost ??= _connection.IsOpen ? cause : new RabbitMqConnectionException("The connection was lost before the broker confirmed the message", cause);
            foreach (var message in _unconfirmed.Values)
                message.End(_lost);
            _unconfirmed.Clear();
        }

        _ = Task.Run(async () => await _channel.DisposeAsync().ConfigureAwait(false));
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
