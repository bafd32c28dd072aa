using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// The database's time as this process can tell it without asking: leases and due times are compared by several
/// replicas, whose own clocks may be minutes apart.
/// </summary>
sealed class DatabaseClock<TDbContext>(TimeProvider time) where TDbContext : DbContext
{
    long _offsetTicks;

    public DateTime UtcNow => time.GetUtcNow().UtcDateTime.AddTicks(Volatile.Read(ref _offsetTicks));

    public void Set(DateTime databaseNow) =>
        Volatile.Write(ref _offsetTicks, (databaseNow - time.GetUtcNow().UtcDateTime).Ticks);
}
