using System.Collections.Concurrent;
using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Messaging.Postgres.Database;

/// <summary>
/// DbContexts with open connections for work that serves many messages: group commits and loads of sagas. The most
/// recently used one is reused first.
/// </summary>
/// <remarks>
/// Npgsql's pool reuses the connection that has been idle longest. Its server process has lost the processor's caches
/// to the other connections by then, which makes every statement slower.
/// </remarks>
sealed class RecentContexts<TDbContext>(IServiceScopeFactory scopes, TimeProvider time) : IRecentContexts, IDisposable
    where TDbContext : DbContext
{
    const int MaxContexts = 3; // one that commits, one that loads sagas, one in reserve

    /// <summary>Limits how long a connection can lead to a server that was demoted in a failover.</summary>
    static readonly TimeSpan MaxAge = TimeSpan.FromMinutes(5);

    readonly ConcurrentStack<Lease> _idle = [];
    volatile bool _disposed;

    /// <summary>
    /// Runs work on a context that tracks nothing and whose connection is open. A context whose work has failed is not
    /// reused.
    /// </summary>
    public async Task<T> Use<T>(Func<TDbContext, Task<T>> work)
    {
        var lease = await Acquire().ConfigureAwait(false);
        T result;
        try
        {
            result = await work(lease.Db).ConfigureAwait(false);
            lease.Db.ChangeTracker.Clear();
        }
        catch
        {
            if (!lease.IsOpen)
                Clear(); // the other connections are probably lost too
            lease.Dispose();
            throw;
        }

        _idle.Push(lease);
        if (_disposed || _idle.Count > MaxContexts)
            Clear(_disposed ? 0 : MaxContexts);
        return result;
    }

    Task<T> IRecentContexts.Use<T>(Func<DbContext, Task<T>> work) => Use(work);

    async Task<Lease> Acquire()
    {
        while (_idle.TryPop(out var lease))
        {
            if (lease.IsOpen && time.GetElapsedTime(lease.Since) < MaxAge)
                return lease;
            lease.Dispose();
        }

        var scope = scopes.CreateScope();
        try
        {
            var db = scope.ServiceProvider.GetRequiredService<TDbContext>();
            await db.Database.OpenConnectionAsync().ConfigureAwait(false);
            return new Lease(scope, db, time.GetTimestamp());
        }
        catch
        {
            scope.Dispose();
            throw;
        }
    }

    void Clear(int remaining = 0)
    {
        while (_idle.Count > remaining && _idle.TryPop(out var lease))
            lease.Dispose();
    }

    public void Dispose()
    {
        _disposed = true;
        Clear();
    }

    sealed class Lease(IServiceScope scope, TDbContext db, long since) : IDisposable
    {
        public TDbContext Db => db;
        public long Since => since;
        public bool IsOpen => db.Database.GetDbConnection().State == ConnectionState.Open;

        /// <summary>Closes the connection first: a pooled context would keep it open.</summary>
        public void Dispose()
        {
            db.Database.CloseConnection();
            scope.Dispose();
        }
    }
}
