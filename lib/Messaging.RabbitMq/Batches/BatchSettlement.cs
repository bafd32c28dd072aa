namespace Messaging.RabbitMq;

/// <summary>
/// Counts the settled messages of a delivered batch. The batch itself is acknowledged when all are, and returned to its
/// queue if one was.
/// </summary>
/// <param name="deliveryTag">The delivery of the batch.</param>
/// <param name="count">The number of its messages.</param>
sealed class BatchSettlement(ulong deliveryTag, int count)
{
    int _remaining = count;
    volatile bool _isReturned;

    public ulong DeliveryTag => deliveryTag;

    /// <summary>Whether a message was returned to the queue. Meaningful when all are settled.</summary>
    public bool IsReturned => _isReturned;

    /// <summary>Settles one message.</summary>
    /// <param name="isReturned">Whether it must be delivered again.</param>
    /// <returns>True if all messages are settled now.</returns>
    public bool Settle(bool isReturned)
    {
        if (isReturned)
            _isReturned = true;
        return Interlocked.Decrement(ref _remaining) == 0;
    }
}
