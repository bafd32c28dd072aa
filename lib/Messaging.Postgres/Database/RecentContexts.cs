using System.Collections.Concurrent;
using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Messaging.Postgres.Database;

/// <summary>
/// DbContexts with open connections for work that serves many messages: group commits and loads of sagas. The most
/// recently used one is reused first.
/// </summary>
/// <remarks>
/// Npgsql's pool reuses the connection that has been idle longest. Its server process has lost the processor's caches
/// to the other connections by then, which makes every statement slower.
/// </remarks>
sealed class RecentContexts<TDbContext>(
    IServiceScopeFactory scopes, IdleConnections idleConnections, TimeProvider time, IPrimaryServer? primary = null)
    : IRecentContexts, IDisposable
    where TDbContext : DbContext
{
    const int MaxContexts = 3; // one that commits, one that loads sagas, one in reserve
    const int PooledConnections = 2; // left in the smallest pools for all other work

    /// <summary>Limits how long a connection can lead to a server that was demoted in a failover.</summary>
    static readonly TimeSpan MaxAge = TimeSpan.FromMinutes(5);

    readonly ConcurrentStack<Lease> _idle = [];
    int? _maxIdle;
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
            lease.LastUsed = time.GetTimestamp();
        }
        catch (Exception e)
        {
            idleConnections.Failed(e);
            if (!lease.IsOpen || PostgresErrors.IsReadOnly(e))
                Clear(); // the other connections are probably lost too, or lead to the same demoted server
            lease.Dispose();
            throw;
        }

        _idle.Push(lease);
        var maxIdle = _disposed ? 0 : _maxIdle ??= MaxIdle(lease.Db);
        if (_idle.Count > maxIdle)
            Clear(maxIdle);
        return result;
    }

    Task<T> IRecentContexts.Use<T>(Func<DbContext, Task<T>> work) => Use(work);

    async Task<Lease> Acquire()
    {
        while (_idle.TryPop(out var lease))
            try
            {
                if (lease.IsOpen && time.GetElapsedTime(lease.Since) < MaxAge
                    && primary?.IsCurrent(lease.Connection) != false
                    && (!idleConnections.IsDue(lease.LastUsed) || await lease.IsWritable().ConfigureAwait(false)))
                    return lease;
                lease.Dispose();
            }
            catch (NpgsqlException e) when (e.InnerException is TimeoutException)
            {
                // A firewall can have dropped all of them silently. If the server hangs, a new connection shows it.
                idleConnections.Clear(lease.Connection);
                lease.Dispose();
                Clear();
            }
            catch
            {
                lease.Dispose();
                throw;
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

    /// <summary>How many contexts can keep a connection of the pool while nobody uses them.</summary>
    static int MaxIdle(TDbContext db) => Math.Clamp(
        new NpgsqlConnectionStringBuilder(db.Database.GetConnectionString()).MaxPoolSize - PooledConnections,
        0, MaxContexts);

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
        public long LastUsed { get; set; }
        public NpgsqlConnection Connection => (NpgsqlConnection)db.Database.GetDbConnection();
        public bool IsOpen => Connection.State == ConnectionState.Open;

        public async Task<bool> IsWritable() => await IdleConnections.CheckAsync(Connection, CancellationToken.None)
            .ConfigureAwait(false) == ServerState.Writable;

        /// <summary>Closes the connection first: a pooled context would keep it open.</summary>
        public void Dispose()
        {
            db.Database.CloseConnection();
            scope.Dispose();
        }
    }
}
