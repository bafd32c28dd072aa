using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Database;

/// <summary>
/// The database's time, known to this process without a query. Replicas compare leases and due times by it, because
/// their own clocks may be minutes apart.
/// </summary>
sealed class DatabaseClock<TDbContext>(TimeProvider time) where TDbContext : DbContext
{
    static readonly TimeSpan MaxResponseTime = TimeSpan.FromMilliseconds(100);

    long _offsetTicks;

    public DateTime UtcNow => time.GetUtcNow().UtcDateTime.AddTicks(Volatile.Read(ref _offsetTicks));

    /// <summary>
    /// Queries the database's time. A slow response is too imprecise, and is used only while there is no other.
    /// </summary>
    public async Task Set(Func<Task<DateTime>> databaseNow)
    {
        var started = time.GetTimestamp();
        var now = await databaseNow().ConfigureAwait(false);
        var elapsed = time.GetElapsedTime(started);
        if (elapsed < MaxResponseTime || Volatile.Read(ref _offsetTicks) == 0)
            Volatile.Write(ref _offsetTicks, (now + elapsed / 2 - time.GetUtcNow().UtcDateTime).Ticks);
    }
}
