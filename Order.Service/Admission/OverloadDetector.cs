namespace Orders;

/// <summary>
/// Distinguishes sustained overload from a burst and from an outage (after RFC 8289). A burst is soon over, and in an
/// outage no order finishes. If orders finish all the time and as many stay open, the queue only adds delay.
/// </summary>
/// <param name="queueLimit">The number of open orders from which a queue can count as overload.</param>
/// <param name="quietPeriod">The time without a rejected call after which overload ends.</param>
/// <param name="time">The clock.</param>
sealed class OverloadDetector(int queueLimit, TimeSpan quietPeriod, TimeProvider time)
{
    static readonly TimeSpan MaxBurst = TimeSpan.FromSeconds(5);
    static readonly TimeSpan OutageAfter = TimeSpan.FromSeconds(2);

    long _lastFinished, _lastRejected; // timestamps
    long? _atLimitSince; // survives a dip to half of the limit
    bool _isOverloaded;

    /// <summary>
    /// Evaluates a snapshot. Overload begins when the queue has been at its limit for five seconds. It ends when no
    /// call has been rejected for the quiet period, or when no order has finished for two seconds.
    /// </summary>
    /// <param name="open">The number of open orders.</param>
    /// <param name="anyFinished">True if orders have finished since the previous snapshot.</param>
    /// <param name="anyRejected">True if calls were rejected since the previous snapshot.</param>
    public bool IsOverloaded(long open, bool anyFinished, bool anyRejected)
    {
        var now = time.GetTimestamp();
        if (anyFinished)
            _lastFinished = now;
        if (anyRejected)
            _lastRejected = now;

        var isOutage = Since(_lastFinished) >= OutageAfter;
        if (_isOverloaded)
            _isOverloaded = !isOutage && Since(_lastRejected) < quietPeriod;
        else if (!isOutage && open >= queueLimit && Since(_atLimitSince ??= now) >= MaxBurst)
            (_isOverloaded, _lastRejected) = (true, now);

        if (!_isOverloaded && (isOutage || open < queueLimit / 2))
            _atLimitSince = null;
        return _isOverloaded;

        TimeSpan Since(long then) => time.GetElapsedTime(then, now);
    }
}
