using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Database;

/// <summary>
/// The database's time, known to this process without a query. Replicas compare due times by it, because
/// their own clocks may be minutes apart.
/// </summary>
/// <param name="time">This machine's clock, which also measures durations.</param>
public sealed class DatabaseClock<TDbContext>(TimeProvider time) : TimeProvider where TDbContext : DbContext
{
    static readonly TimeSpan MaxResponseTime = TimeSpan.FromMilliseconds(100);

    long _lastRead; // ticks of the database's time
    long _lastSet; // timestamp
    long _offsetTicks;

    /// <inheritdoc />
    public override long TimestampFrequency => time.TimestampFrequency;

    internal DateTime UtcNow => GetUtcNow().UtcDateTime;

    /// <summary>The database's time. Until it is known, this machine's time.</summary>
    public override DateTimeOffset GetUtcNow() => time.GetUtcNow().AddTicks(Volatile.Read(ref _offsetTicks));

    /// <inheritdoc />
    public override long GetTimestamp() => time.GetTimestamp();

    /// <summary>The timestamp at which the database's time was last queried with success; 0 if never.</summary>
    internal long LastSet => Volatile.Read(ref _lastSet);

    /// <summary>
    /// The earliest that the database's time can be, however slow its responses were; the minimum until it is known.
    /// </summary>
    internal DateTime Earliest
    {
        get
        {
            var read = new DateTime(Volatile.Read(ref _lastRead), DateTimeKind.Utc);
            return read == DateTime.MinValue ? read : read + time.GetElapsedTime(LastSet);
        }
    }

    /// <summary>
    /// Queries the database's time. A slow response is too imprecise, and is used only while there is no other.
    /// </summary>
    internal async Task Set(Func<Task<DateTime>> databaseNow)
    {
        var started = time.GetTimestamp();
        var now = await databaseNow().ConfigureAwait(false);
        var elapsed = time.GetElapsedTime(started);
        Volatile.Write(ref _lastSet, time.GetTimestamp());
        Volatile.Write(ref _lastRead, now.Ticks); // last, so that a reader in between gets an earlier time
        if (elapsed < MaxResponseTime || Volatile.Read(ref _offsetTicks) == 0)
            Volatile.Write(ref _offsetTicks, (now + elapsed / 2 - time.GetUtcNow().UtcDateTime).Ticks);
    }
}
