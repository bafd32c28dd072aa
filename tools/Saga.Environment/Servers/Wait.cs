namespace Saga.Servers;

/// <summary>Waits for conditions with a timeout.</summary>
public static class Wait
{
    /// <summary>Polls a condition until it is true.</summary>
    /// <param name="condition">The condition.</param>
    /// <param name="timeout">The maximum wait.</param>
    /// <param name="what">Describes the condition in the exception.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <param name="pollMilliseconds">The time between two polls.</param>
    /// <exception cref="TimeoutException">The condition was not true in time.</exception>
    public static async Task UntilAsync(Func<Task<bool>> condition, TimeSpan timeout, Func<string> what,
        CancellationToken cancellationToken = default, int pollMilliseconds = 50)
    {
        var end = DateTime.UtcNow + timeout;
        while (!await condition())
        {
            if (DateTime.UtcNow > end)
                throw new TimeoutException($"waited {timeout} for {what()}");
            await Task.Delay(pollMilliseconds, cancellationToken);
        }
    }
}
