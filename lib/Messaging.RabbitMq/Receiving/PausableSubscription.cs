namespace Messaging.RabbitMq;

/// <summary>A subscription that ends while its queue is paused, and begins again afterwards.</summary>
/// <param name="queue">The queue.</param>
/// <param name="pauses">The paused queues.</param>
/// <param name="subscribe">Begins to consume.</param>
/// <param name="unsubscribe">Ends it; deliveries that were received before are still settled.</param>
sealed class PausableSubscription(string queue, QueuePauses pauses, Func<Task> subscribe, Func<Task> unsubscribe)
{
    readonly SemaphoreSlim _turn = new(1);
    bool _isEnded;
    bool _isSubscribed;

    /// <summary>Begins to consume, or to wait for the end of a pause.</summary>
    /// <returns>Whether the queue is consumed.</returns>
    public Task<bool> StartAsync()
    {
        pauses.Add(this); // before the pauses are read, so that no change is missed
        return ApplyAsync();
    }

    /// <summary>Subscribes or unsubscribes, as the pauses say now.</summary>
    /// <returns>Whether the queue is consumed.</returns>
    public async Task<bool> ApplyAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            var isWanted = !_isEnded && !pauses.IsPaused(queue);
            if (isWanted == _isSubscribed || _isEnded)
                return _isSubscribed;
            await (isWanted ? subscribe() : unsubscribe()).ConfigureAwait(false);
            return _isSubscribed = isWanted;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Ends the waiting for changes; the caller ends the subscription itself.</summary>
    /// <returns>Whether the queue was consumed.</returns>
    public async Task<bool> EndAsync()
    {
        pauses.Remove(this);
        await _turn.WaitAsync().ConfigureAwait(false);
        _isEnded = true;
        _turn.Release();
        return _isSubscribed;
    }
}
