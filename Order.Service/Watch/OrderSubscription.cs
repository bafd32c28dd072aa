using System.Threading.Channels;

namespace Orders;

/// <summary>The changes of one order for one watcher, until it is disposed.</summary>
sealed class OrderSubscription(Action<OrderSubscription> unsubscribe) : IDisposable
{
    readonly Channel<OrderChange?> _changes = Channel.CreateUnbounded<OrderChange?>();

    /// <summary>Adds a change, or null if changes may have been missed.</summary>
    public void Post(OrderChange? change) => _changes.Writer.TryWrite(change);

    /// <summary>Waits for the next change. Null means that the watcher must read the order again.</summary>
    /// <param name="maxWait">The time after which the result is null.</param>
    /// <param name="cancellationToken">Ends the wait with an exception.</param>
    public async Task<OrderChange?> ReadAsync(TimeSpan maxWait, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(maxWait);
        try
        {
            return await _changes.Reader.ReadAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Unsubscribes.</summary>
    public void Dispose() => unsubscribe(this);
}
