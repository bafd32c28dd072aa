namespace Orders;

/// <summary>
/// Tells a queue that stands from a burst and from an outage (after RFC 8289): a burst is soon over, in an outage nothing ends; where orders end
/// all the time and as many are open as before, those that wait do nothing but delay.
/// </summary>
/// <param name="length">From how many open orders on a queue may be one that stands.</param>
/// <param name="time">The clock.</param>
sealed class StandingQueue(int length, TimeProvider time)
{
    static readonly TimeSpan LongestBurst = TimeSpan.FromSeconds(5);
    static readonly TimeSpan Calm = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Outage = TimeSpan.FromSeconds(2);

    long? _long; // since when
    long _ended, _refused; // when last

    /// <summary>Whether the queue stands now; then, until nobody has been refused for a second, or nothing has ended for two.</summary>
    /// <param name="open">How many orders are open.</param>
    /// <param name="haveEnded">Some have ended since this was asked last.</param>
    /// <param name="wereRefused">Calls were refused since then.</param>
    public bool Stands(long open, bool haveEnded, bool wereRefused)
    {
        var now = time.GetTimestamp();
        if (haveEnded)
            _ended = now;
        if (wereRefused)
            _refused = now;
        var stood = Since(_long) - LongestBurst;
        if (Since(_ended) >= Outage || (stood >= TimeSpan.Zero ? stood >= Calm && Since(_refused) >= Calm : open < length / 2))
            _long = null;
        else if (open >= length)
            _long ??= now;
        return Since(_long) >= LongestBurst;

        TimeSpan? Since(long? then) => then == null ? null : time.GetElapsedTime(then.Value, now);
    }
}
