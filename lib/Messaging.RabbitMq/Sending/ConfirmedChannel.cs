using System.Collections.Concurrent;
using MassTransit;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Messaging.RabbitMq;

/// <summary>
/// A channel with publisher confirms. RabbitMQ's client tracks confirms by a header in each message; this channel
/// counts the messages instead. One caller at a time publishes everything that waits.
/// </summary>
sealed class ConfirmedChannel
{
    const int MaxWaiting = 20_000;
    const int MaxDequeued = 1_000;

    static readonly CachedString NoRoutingKey = new("");

    readonly IChannel _channel;
    readonly IConnection _connection;
    readonly CancellationTokenSource _ended = new();
    readonly Lock _lock = new();
    readonly Action<Exception>? _notCombined;
    readonly Dictionary<ulong, UnconfirmedMessage> _unconfirmed = [];
    readonly ConcurrentQueue<UnconfirmedMessage> _waiting = new();
    Exception? _lost; // set once
    ulong _oldest = 1;
    ulong _published;
    int _publishing;

    ConfirmedChannel(IConnection connection, IChannel channel, Action<Exception>? notCombined)
    {
        (_connection, _channel, _notCombined) = (connection, channel, notCombined);
        channel.BasicAcksAsync += (_, ack) => Confirm(ack.DeliveryTag, ack.Multiple, null);
        channel.BasicNacksAsync += (_, nack) =>
            Confirm(nack.DeliveryTag, nack.Multiple, new MassTransitException("The broker has refused the message"));
        channel.BasicReturnAsync += (_, returned) => Return(returned);
        channel.ChannelShutdownAsync += (_, reason) => FailAll(new OperationInterruptedException(reason));
    }

    public bool IsOpen => Volatile.Read(ref _lost) == null && _channel.IsOpen && _connection.IsOpen;

    /// <summary>Opens a channel on a connection.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="notCombined">
    /// Receives the error if messages cannot be combined; they are published one by one then.
    /// </param>
    /// <param name="cancellationToken">Cancels the opening.</param>
    public static async Task<ConfirmedChannel> OpenAsync(IConnection connection, Action<Exception>? notCombined,
        CancellationToken cancellationToken)
    {
        var options = new CreateChannelOptions(publisherConfirmationsEnabled: true,
            publisherConfirmationTrackingEnabled: false);
        var channel = await connection.CreateChannelAsync(options, cancellationToken).ConfigureAwait(false);
        return new ConfirmedChannel(connection, channel, notCombined);
    }

    /// <summary>Publishes a message; completes when the broker has confirmed it.</summary>
    /// <param name="exchange">The exchange.</param>
    /// <param name="mandatory">Whether to fail if no queue receives the message.</param>
    /// <param name="properties">The properties, including a message id.</param>
    /// <param name="body">The body.</param>
    /// <param name="batchExchange">
    /// The exchange for the message if others for it wait too; null to send the message alone.
    /// </param>
    /// <param name="cancellationToken">
    /// Prevents the publish. A message that is published already is awaited nevertheless.
    /// </param>
    /// <exception cref="MessageReturnedException">No queue has received the message.</exception>
    /// <exception cref="RabbitMqConnectionException">The connection was lost before the confirmation.</exception>
    /// <exception cref="OperationInterruptedException">
    /// The broker has closed the channel before the confirmation.
    /// </exception>
    /// <exception cref="MassTransitException">
    /// The broker has refused the message, or too many messages are waiting.
    /// </exception>
    public Task Publish(CachedString exchange, bool mandatory, BasicProperties properties, ReadOnlyMemory<byte> body,
        CachedString? batchExchange, CancellationToken cancellationToken)
    {
        if (_waiting.Count >= MaxWaiting)
            return Task.FromException(
                new MassTransitException("The broker accepts no messages, and too many are waiting"));
        var message = new UnconfirmedMessage(exchange, mandatory, properties, body, cancellationToken)
        {
            BatchExchange = batchExchange,
        };
        _waiting.Enqueue(message);
        StartPublishing();
        return message.Task;
    }

    /// <summary>
    /// Publishes from a later work item of the thread pool, so that messages that are committed together wait together.
    /// </summary>
    void StartPublishing()
    {
        if (Interlocked.Exchange(ref _publishing, 1) == 0)
            ThreadPool.UnsafeQueueUserWorkItem(static x => _ = x.PublishWaiting(), this, preferLocal: false);
    }

    async Task PublishWaiting()
    {
        do
        {
            while (DequeueWaiting() is { Count: > 0 } messages)
                foreach (var message in BatchBuilder.Combine(messages, _notCombined))
                    if (TryCount(message))
                        await PublishCounted(message).ConfigureAwait(false);

            // A full fence: a message that was enqueued while the flag was set is seen by the check below.
            Interlocked.Exchange(ref _publishing, 0);
        }
        while (!_waiting.IsEmpty && Interlocked.Exchange(ref _publishing, 1) == 0);
    }

    /// <summary>
    /// Publishes a message. A blocked publish would delay closing the channel and the connection, so it is cancelled
    /// when the channel is lost.
    /// </summary>
    async ValueTask PublishCounted(UnconfirmedMessage message)
    {
        try
        {
            await _channel.BasicPublishAsync(message.Exchange, NoRoutingKey, message.Mandatory, message.Properties,
                message.Body, _ended.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await FailAll(e).ConfigureAwait(false); // the count may differ from the broker's from here on
        }
    }

    List<UnconfirmedMessage> DequeueWaiting()
    {
        var messages = new List<UnconfirmedMessage>();
        while (messages.Count < MaxDequeued && _waiting.TryDequeue(out var message))
            messages.Add(message);
        return messages;
    }

    /// <summary>Counts the message that is published next.</summary>
    /// <returns>False if the message must not be published.</returns>
    bool TryCount(UnconfirmedMessage message)
    {
        if (message.CancellationToken.IsCancellationRequested)
        {
            message.TrySetCanceled(message.CancellationToken);
            return false;
        }

        lock (_lock)
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
        lock (_lock)
        {
            for (var confirmed = multiple ? _oldest : number; confirmed <= number; confirmed++)
                if (_unconfirmed.Remove(confirmed, out var message))
                    message.End(error);
            while (_oldest <= _published && !_unconfirmed.ContainsKey(_oldest))
                _oldest++;
        }

        return Task.CompletedTask;
    }

    /// <summary>The broker returns an unroutable message before it confirms the message.</summary>
    Task Return(BasicReturnEventArgs returned)
    {
        lock (_lock)
        {
            var (number, message) = _unconfirmed.FirstOrDefault(x => x.Value.Mandatory
                && x.Value.Properties.MessageId == returned.BasicProperties.MessageId
                && x.Value.Exchange.Value == returned.Exchange);
            if (message != null)
                _unconfirmed.Remove(number);
            if (message is UnconfirmedBatch batch)
                PublishAlone(batch.Members); // the queue of batches was deleted
            else
                message?.End(
                    new MessageReturnedException($"The broker has returned the message: {returned.ReplyText}"));
        }

        return Task.CompletedTask;
    }

    void PublishAlone(IReadOnlyList<UnconfirmedMessage> messages)
    {
        foreach (var message in messages)
        {
            message.BatchExchange = null;
            _waiting.Enqueue(message);
        }

        StartPublishing();
    }

    /// <summary>
    /// Fails all unconfirmed messages, and every later one. Also called during the channel's shutdown, where disposing
    /// the channel would deadlock in the client.
    /// </summary>
    Task FailAll(Exception cause)
    {
        lock (_lock)
        {
            _lost ??= _connection.IsOpen ? cause
                : new RabbitMqConnectionException("The connection was lost before the broker confirmed the message",
                    cause);
            foreach (var message in _unconfirmed.Values)
                message.End(_lost);
            _unconfirmed.Clear();
        }

        _ = _ended.CancelAsync();
        if (_channel.IsOpen)
            _ = _channel.AbortAsync();
        return Task.CompletedTask;
    }
}
