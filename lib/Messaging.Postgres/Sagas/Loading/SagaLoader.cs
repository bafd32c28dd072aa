using MassTransit;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Messaging.Postgres.Sagas;

/// <summary>
/// Loads saga instances; concurrent loads share one query. The first load starts at once, and those that arrive while
/// its query is in flight share the next one.
/// </summary>
sealed class SagaLoader<TSaga>(SagaRepositoryOptions<TSaga> options, IServiceProvider services)
    where TSaga : class, ISaga
{
    readonly Lock _lock = new();
    readonly List<(Guid Id, TaskCompletionSource<TSaga?> Found)> _waiting = [];
    bool? _canShareLoads;
    bool _loading;

    /// <summary>
    /// Whether instances can be loaded in one DbContext and used in another. True if recent contexts are available, no
    /// custom query is configured, and an instance has no related entities and no shadow properties.
    /// </summary>
    public bool CanShareLoads(DbContext db) => _canShareLoads ??=
        options is { Customization: null, GetRecentContexts: not null }
        && db.Model.FindEntityType(typeof(TSaga))?.IsSelfContained() == true;

    /// <summary>
    /// Loads an instance that no DbContext tracks and no other caller receives; null if it does not exist.
    /// </summary>
    public Task<TSaga?> Load(Guid correlationId)
    {
        var found = new TaskCompletionSource<TSaga?>();
        lock (_lock)
        {
            _waiting.Add((correlationId, found));
            if (_loading)
                return found.Task;
            _loading = true;
        }

        TaskStarter.StartWithoutCallerContext(Run); // synchronously up to the first database call
        return found.Task;
    }

    async Task Run()
    {
        List<Action> completions = [];
        while (true)
        {
            var next = DequeueWaiting();
            // When no load waits for this thread, it can run one caller's continuation itself.
            for (var i = completions.Count - 1; i >= 0; i--)
                if (i == 0 && next.Count == 0)
                    completions[i]();
                else
                    TaskStarter.RunOnPool(completions[i]);
            if (next.Count == 0)
                return;
            completions = await Load(next).ConfigureAwait(false);
        }
    }

    async Task<List<Action>> Load(Dictionary<Guid, TaskCompletionSource<TSaga?>> wanted)
    {
        try
        {
            var instances = await options.GetRecentContexts!(services)
                .Use(db => Find(db, [.. wanted.Keys])).ConfigureAwait(false);
            return [.. wanted.Select(x => (Action)(() => x.Value.SetResult(instances.GetValueOrDefault(x.Key))))];
        }
        catch (Exception e)
        {
            return [.. wanted.Values.Select(x => (Action)(() => x.SetException(e)))];
        }
    }

    async Task<Dictionary<Guid, TSaga>> Find(DbContext db, Guid[] ids)
    {
        var found = await options.FindByIds(db, ids).ConfigureAwait(false);
        // A server that a failover has demoted lacks new instances, and their messages would be discarded.
        if (found.Count < ids.Length && await IdleConnections.CheckAsync(
            (NpgsqlConnection)db.Database.GetDbConnection(), CancellationToken.None).ConfigureAwait(false)
                != ServerState.Writable)
            throw new PostgresException("the server accepts no writes any more", "ERROR", "ERROR",
                PostgresErrorCodes.ReadOnlySqlTransaction);
        return found;
    }

    /// <summary>Removes the waiting loads, each instance once: two messages for one instance need two copies.</summary>
    Dictionary<Guid, TaskCompletionSource<TSaga?>> DequeueWaiting()
    {
        lock (_lock)
        {
            var wanted = new Dictionary<Guid, TaskCompletionSource<TSaga?>>();
            _waiting.RemoveAll(x => wanted.TryAdd(x.Id, x.Found));
            _loading = wanted.Count > 0;
            return wanted;
        }
    }
}
