using System.Collections.Concurrent;
using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Messaging.Postgres.Database;

/// <inheritdoc cref="RecentContexts{TDbContext}" />
interface IRecentContexts
{
    /// <inheritdoc cref="RecentContexts{TDbContext}.Use" />
    Task<T> Use<T>(Func<DbContext, Task<T>> work);
}

/// <summary>
/// DbContexts with open connections for what is done for many: who comes next gets the one that was used last. Npgsql's own pool hands out
/// the connection that has rested longest, whose server process has lost the processor's caches to all others meanwhile.
/// </summary>
sealed class RecentContexts<TDbContext>(IServiceScopeFactory scopes, TimeProvider time) : IRecentContexts, IDisposable
    where TDbContext : DbContext
{
    const int MaxContexts = 3; // one that commits, one that loads sagas, one in reserve

    /// <summary>One that leads to a server that was demoted in a failover does not stay for ever.</summary>
    static readonly TimeSpan MaxAge = TimeSpan.FromMinutes(5);

    readonly ConcurrentStack<Warm> _kept = [];
    volatile bool _disposed;

    /// <summary>Does work on a context that tracks nothing and whose connection is open; after a failure it is not used again.</summary>
    public async Task<T> Use<T>(Func<TDbContext, Task<T>> work)
    {
        var warm = await Take().ConfigureAwait(false);
        T result;
        try
        {
            result = await work(warm.Db).ConfigureAwait(false);
            warm.Db.ChangeTracker.Clear();
        }
        catch
        {
            if (!warm.IsOpen)
                Clear(); // where one connection is lost, the others may be: nobody is to find that out one by one
            warm.Dispose();
            throw;
        }

        _kept.Push(warm);
        if (_disposed || _kept.Count > MaxContexts)
            Clear(_disposed ? 0 : MaxContexts);
        return result;
    }

    Task<T> IRecentContexts.Use<T>(Func<DbContext, Task<T>> work) => Use(work);

    async Task<Warm> Take()
    {
        while (_kept.TryPop(out var kept))
        {
            if (kept.IsOpen && time.GetElapsedTime(kept.Since) < MaxAge)
                return kept;
            kept.Dispose();
        }

        var scope = scopes.CreateScope();
        try
        {
            var db = scope.ServiceProvider.GetRequiredService<TDbContext>();
            await db.Database.OpenConnectionAsync().ConfigureAwait(false);
            return new Warm(scope, db, time.GetTimestamp());
        }
        catch
        {
            scope.Dispose();
            throw;
        }
    }

    void Clear(int left = 0)
    {
        while (_kept.Count > left && _kept.TryPop(out var kept))
            kept.Dispose();
    }

    public void Dispose()
    {
        _disposed = true;
        Clear();
    }

    sealed class Warm(IServiceScope scope, TDbContext db, long since) : IDisposable
    {
        public TDbContext Db => db;
        public long Since => since;
        public bool IsOpen => db.Database.GetDbConnection().State == ConnectionState.Open;

        /// <summary>The connection first: a context that goes back to a pool of contexts may keep it.</summary>
        public void Dispose()
        {
            db.Database.CloseConnection();
            scope.Dispose();
        }
    }
}
