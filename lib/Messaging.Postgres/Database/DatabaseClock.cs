using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Database;

/// <summary>
/// The database's time as this process can tell it without asking: leases and due times are compared by several
/// replicas, whose own clocks may be minutes apart.
/// </summary>
sealed class DatabaseClock<TDbContext>(TimeProvider time) where TDbContext : DbContext
{
    static readonly TimeSpan MaxAnswer = TimeSpan.FromMilliseconds(100);
    long _offsetTicks;

    public DateTime UtcNow => time.GetUtcNow().UtcDateTime.AddTicks(Volatile.Read(ref _offsetTicks));

    /// <summary>Asks the database; an answer that took long says too little about the time, and only the first is used then.</summary>
    public async Task Set(Func<Task<DateTime>> databaseNow)
    {
        var asked = time.GetTimestamp();
        var now = await databaseNow().ConfigureAwait(false);
        if (time.GetElapsedTime(asked) is var took && (took < MaxAnswer || Volatile.Read(ref _offsetTicks) == 0))
            Volatile.Write(ref _offsetTicks, (now + took / 2 - time.GetUtcNow().UtcDateTime).Ticks);
    }
}
