using System.Collections.Concurrent;
using System.Threading.Channels;
using Operations.V1;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace Operations;

/// <summary>
/// Visits the messages of a queue of failed or skipped messages, in their order. A message that is not removed returns
/// to its place, with its headers: it is consumed without an acknowledgement, and returned at the end of the visit.
/// </summary>
/// <remarks>
/// One visit at a time per queue. A message must be received to be seen, and so must all that are before it: while a
/// visit lasts, the broker shows them to nobody else and does not count them. <see cref="VisitedMessages" /> keeps them
/// counted here, and the alert MessagesFailed looks back over the time of a visit.
/// </remarks>
sealed class DeadLetterQueues(Broker broker, VisitedMessages visited)
{
    /// <summary>The end of the name of a queue of failed messages.</summary>
    public const string FailedSuffix = "_error";

    /// <summary>The end of the name of a queue of skipped messages.</summary>
    public const string SkippedSuffix = "_skipped";

    /// <summary>The most messages of one visit; those behind them are not seen.</summary>
    const int MaxMessages = 50_000;

    /// <summary>So many messages may wait here to be visited, which limits the memory that they take.</summary>
    const ushort Window = 500;

    /// <summary>How long to wait for a message that somebody else may have received.</summary>
    static readonly TimeSpan MaxSilence = TimeSpan.FromSeconds(3);

    /// <summary>How long returned messages may take to be seen; somebody else may have received them.</summary>
    static readonly TimeSpan MaxReturn = TimeSpan.FromSeconds(2), ReturnPause = TimeSpan.FromMilliseconds(20);

    readonly ConcurrentDictionary<string, SemaphoreSlim> _locks = new();

    /// <summary>What has become of the messages of a queue, and the queue to which they were sent.</summary>
    public static (DeadLetterKind Kind, string Queue) OriginOf(string queue) =>
        queue.EndsWith(FailedSuffix, StringComparison.Ordinal) ? (DeadLetterKind.Failed, queue[..^FailedSuffix.Length])
        : queue.EndsWith(SkippedSuffix, StringComparison.Ordinal)
            ? (DeadLetterKind.Skipped, queue[..^SkippedSuffix.Length]) : (default, queue);

    /// <summary>The queue in which the messages of a cause are.</summary>
    public static string QueueOf(DeadLetterCause cause) =>
        cause.Queue + (cause.Kind == DeadLetterKind.Failed ? FailedSuffix : SkippedSuffix);

    /// <summary>Visits the messages that are in a queue now.</summary>
    /// <param name="queue">The queue; one that does not exist is empty.</param>
    /// <param name="visit">Decides about each message.</param>
    /// <param name="cancellationToken">Ends the visit after the current message.</param>
    /// <exception cref="Grpc.Core.RpcException">UNAVAILABLE: the broker cannot be reached.</exception>
    public async Task VisitAsync(string queue, Func<DeadLetterMessage, DeadLetterDelivery, Task<VisitDecision>> visit,
        CancellationToken cancellationToken)
    {
        var turn = _locks.GetOrAdd(queue, _ => new SemaphoreSlim(1));
        await turn.WaitAsync(cancellationToken);
        try
        {
            await using var connection = await broker.ConnectAsync(cancellationToken);
            await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
            if (await CountAsync(channel, queue, cancellationToken) is > 0 and var count)
                await VisitAsync(connection, channel, queue, count, visit, cancellationToken);
        }
        catch (Exception e) when (e is ChannelClosedException or OperationInterruptedException
            or TimeoutException)
        {
            throw Broker.Unavailable(e);
        }
        finally
        {
            visited.Clear(queue);
            turn.Release();
        }
    }

    async Task VisitAsync(IConnection connection, IChannel channel, string queue, ushort count,
        Func<DeadLetterMessage, DeadLetterDelivery, Task<VisitDecision>> visit, CancellationToken cancellationToken)
    {
        var deliveries = Channel.CreateUnbounded<DeadLetterDelivery>();
        channel.ChannelShutdownAsync += (_, reason) =>
        {
            deliveries.Writer.TryComplete(new OperationInterruptedException(reason));
            return Task.CompletedTask;
        };
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, x) =>
        {
            visited.Add(queue, 1);
            // Copies: the client reuses the memory when this handler returns.
            deliveries.Writer.TryWrite(new DeadLetterDelivery(connection, x.DeliveryTag,
                new BasicProperties(x.BasicProperties), x.Body.ToArray()));
            return Task.CompletedTask;
        };
        await channel.BasicQosAsync(0, Window, global: false, cancellationToken);
        var tag = await SubscribeAsync();
        try
        {
            for (var (seen, kept) = (0, 0); seen < count; seen++)
            {
                if (kept == Window)
                {
                    // This consumer receives no more; another one receives what follows.
                    await channel.BasicCancelAsync(tag, noWait: false, cancellationToken);
                    (tag, kept) = (await SubscribeAsync(), 0);
                }

                var delivery = await ReceiveAsync(deliveries.Reader, cancellationToken);
                if (delivery == null)
                    return;
                var letter = DeadLetterReader.Read(queue, delivery.Properties, delivery.Body);
                var decision = await visit(letter, delivery);
                if (decision == VisitDecision.Stop)
                    return;
                kept += decision == VisitDecision.Keep ? 1 : 0;
                if (decision != VisitDecision.Remove)
                    continue;
                await channel.BasicAckAsync(delivery.Tag, multiple: false, CancellationToken.None);
                visited.Add(queue, -1);
            }
        }
        finally
        {
            if (channel.IsOpen)
                await ReturnAllAsync(channel, queue, tag);
        }

        Task<string> SubscribeAsync() => channel.BasicConsumeAsync(queue, autoAck: false, consumer, cancellationToken);
    }

    /// <summary>
    /// Returns everything that was received, and waits until others see it again: the broker answers questions before
    /// it has returned all.
    /// </summary>
    async Task ReturnAllAsync(IChannel channel, string queue, string tag)
    {
        await channel.BasicCancelAsync(tag, noWait: false, CancellationToken.None);
        await channel.BasicNackAsync(0, multiple: true, requeue: true, CancellationToken.None);
        for (var wait = TimeSpan.Zero; wait < MaxReturn; wait += ReturnPause)
        {
            var found = await channel.QueueDeclarePassiveAsync(queue, CancellationToken.None);
            if (found.MessageCount >= visited.CountOf(queue))
                return;
            await Task.Delay(ReturnPause, CancellationToken.None);
        }
    }

    static async Task<DeadLetterDelivery?> ReceiveAsync(ChannelReader<DeadLetterDelivery> deliveries,
        CancellationToken cancellationToken)
    {
        if (deliveries.TryRead(out var next))
            return next;
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        silence.CancelAfter(MaxSilence);
        try
        {
            return await deliveries.ReadAsync(silence.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null; // somebody else has received the rest
        }
    }

    static async Task<ushort> CountAsync(IChannel channel, string queue, CancellationToken cancellationToken)
    {
        try
        {
            var found = await channel.QueueDeclarePassiveAsync(queue, cancellationToken);
            return (ushort)Math.Min(found.MessageCount, MaxMessages);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return 0;
        }
    }
}
