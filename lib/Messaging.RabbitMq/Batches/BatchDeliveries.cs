using System.Collections.Concurrent;
using MassTransit.RabbitMqTransport;
using Messaging.Postgres;

namespace Messaging.RabbitMq;

/// <summary>
/// The delivered batches of a channel whose messages are not all settled. Each message has its own delivery tag,
/// which the broker does not know.
/// </summary>
sealed class BatchDeliveries
{
    /// <summary>Greater than every tag of the broker.</summary>
    const ulong FirstTag = 1UL << 63;

    readonly ConcurrentDictionary<ulong, BatchSettlement> _unsettled = new();
    ulong _lastTag = FirstTag;

    /// <summary>Assigns delivery tags to the messages of a batch.</summary>
    /// <param name="deliveryTag">The batch's delivery tag.</param>
    /// <param name="count">The number of its messages.</param>
    /// <returns>The tag of the first message; the others follow it.</returns>
    public ulong Add(ulong deliveryTag, int count)
    {
        var first = Interlocked.Add(ref _lastTag, (ulong)count) - (ulong)count + 1;
        var settlement = new BatchSettlement(deliveryTag, count);
        for (var i = 0; i < count; i++)
            _unsettled[first + (ulong)i] = settlement;
        return first;
    }

    /// <summary>Whether a message of a batch is neither acknowledged nor returned.</summary>
    public bool IsUnsettled(ulong deliveryTag) => _unsettled.ContainsKey(deliveryTag);

    /// <summary>Acknowledges or returns a message, or the batch whose last message it is.</summary>
    /// <param name="channel">The channel to the broker.</param>
    /// <param name="deliveryTag">A tag of the broker or of <see cref="Add" />.</param>
    /// <param name="isReturned">Whether the message must be delivered again.</param>
    /// <param name="cancellationToken">Cancels the acknowledgement.</param>
    public async ValueTask SettleAsync(ChannelContext channel, ulong deliveryTag, bool isReturned,
        CancellationToken cancellationToken)
    {
        if (Settle(deliveryTag, isReturned) is not { } settled)
            FaultInjection.Reach(FaultPoint.InBatchSettlement);
        else if (settled.IsReturned)
            await channel.BasicNack(settled.DeliveryTag, multiple: false, requeue: true, cancellationToken)
                .ConfigureAwait(false);
        else
            await channel.BasicAck(settled.DeliveryTag, multiple: false, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Settles a message.</summary>
    /// <param name="deliveryTag">A tag of the broker or of <see cref="Add" />.</param>
    /// <param name="isReturned">Whether the message must be delivered again.</param>
    /// <returns>
    /// The delivery that the broker must be told about now; null while other messages of its batch are not settled.
    /// </returns>
    public (ulong DeliveryTag, bool IsReturned)? Settle(ulong deliveryTag, bool isReturned)
    {
        if (!_unsettled.TryRemove(deliveryTag, out var batch))
            return (deliveryTag, isReturned);
        return batch.Settle(isReturned) ? (batch.DeliveryTag, batch.IsReturned) : null;
    }
}
