namespace Service.Defaults;

/// <summary>Times as the databases keep them.</summary>
public static class TimeProviderExtensions
{
    /// <summary>The time in whole microseconds, which is what PostgreSQL keeps: what is answered now is what is read later.</summary>
    public static DateTime UtcNow(this TimeProvider time)
    {
        var now = time.GetUtcNow().UtcDateTime;
        return now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMicrosecond));
    }
}
