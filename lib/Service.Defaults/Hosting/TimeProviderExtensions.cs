namespace Service.Defaults;

/// <summary>Reads the time at the precision of the databases.</summary>
public static class TimeProviderExtensions
{
    /// <summary>
    /// Returns the UTC time in whole microseconds, PostgreSQL's precision, so that a response has the same time as a
    /// later read.
    /// </summary>
    public static DateTime UtcNow(this TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        var now = time.GetUtcNow().UtcDateTime;
        return now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMicrosecond));
    }
}
