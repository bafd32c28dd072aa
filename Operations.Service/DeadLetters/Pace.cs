namespace Operations;

/// <summary>Limits a rate; what was missed is not made up for.</summary>
/// <param name="rate">The number of steps in a second.</param>
/// <param name="time">The clock.</param>
sealed class Pace(double rate, TimeProvider time)
{
    /// <summary>Shorter waits are left for a later step, because timers are not as precise.</summary>
    static readonly TimeSpan Precision = TimeSpan.FromMilliseconds(10);

    readonly TimeSpan _interval = TimeSpan.FromSeconds(1 / rate);
    DateTimeOffset _next = time.GetUtcNow();

    /// <summary>Waits until the next steps may be taken.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken, int steps = 1)
    {
        var now = time.GetUtcNow();
        if (_next - now > Precision)
            await Task.Delay(_next - now, time, cancellationToken);
        else if (_next < now - Precision)
            _next = now - Precision;
        cancellationToken.ThrowIfCancellationRequested();
        _next += steps * _interval;
    }
}
