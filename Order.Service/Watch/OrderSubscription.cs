using System.Threading.Channels;

namespace Orders;

/// <summary>The changes of one order for one watcher, until it is disposed.</summary>
sealed class OrderSubscription(Action<OrderSubscription> unsubscribe) : IDisposable
{
    readonly Channel<OrderChange?> _changes = Channel.CreateUnbounded<OrderChange?>();

    /// <summary>Adds a change, or null if changes may have been missed.</summary>
    public void Post(OrderChange? change) => _changes.Writer.TryWrite(change);

    /// <summary>Waits for the next change. Null means that the watcher must read the order again.</summary>
    public ValueTask<OrderChange?> ReadAsync(CancellationToken cancellationToken) =>
        _changes.Reader.ReadAsync(cancellationToken);

    /// <summary>Unsubscribes.</summary>
    public void Dispose() => unsubscribe(this);
}
