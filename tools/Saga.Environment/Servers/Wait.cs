namespace Saga.Servers;

/// <summary>Waits for conditions, with an end.</summary>
public static class Wait
{
    /// <summary>Asks until the answer is yes.</summary>
    /// <exception cref="TimeoutException">It was not in time; the message says what was waited for.</exception>
    public static async Task UntilAsync(Func<Task<bool>> condition, TimeSpan patience, Func<string> what,
        CancellationToken cancellationToken = default, int pauseMilliseconds = 50)
    {
        var end = DateTime.UtcNow + patience;
        while (!await condition())
        {
            if (DateTime.UtcNow > end)
                throw new TimeoutException($"waited {patience} for {what()}");
            await Task.Delay(pauseMilliseconds, cancellationToken);
        }
    }
}
