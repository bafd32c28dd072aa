namespace Orders;

/// <summary>
/// Tells a queue that stands from a burst and from an outage (after RFC 8289): a burst is soon over, in an outage nothing ends; where orders end
/// all the time and as many are open as before, those that wait do nothing but delay.
/// </summary>
/// <param name="length">From how many open orders on a queue may be one that stands.</param>
/// <param name="calm">It stands until nobody was refused for so long.</param>
/// <param name="time">The clock.</param>
sealed class OverloadDetector(int length, TimeSpan calm, TimeProvider time)
{
    static readonly TimeSpan MaxBurst = TimeSpan.FromSeconds(5);
    static readonly TimeSpan Outage = TimeSpan.FromSeconds(2);

    long _ended, _refused; // when last
    long? _long; // since when; not broken by a length of half and more
    bool _stands;

    /// <summary>Whether the queue stands: begins when it has been long for five seconds, and ends in calm, or when nothing has ended for two seconds.</summary>
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
        var flows = Since(_ended) < Outage;
        if (_stands)
            _stands = flows && Since(_refused) < calm;
        else if (flows && open >= length && Since(_long ??= now) >= MaxBurst)
            (_stands, _refused) = (true, now);
        if (!_stands && (!flows || open < length / 2))
            _long = null;
        return _stands;

        TimeSpan Since(long then) => time.GetElapsedTime(then, now);
    }
}
