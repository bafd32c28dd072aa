using MassTransit;
using Messaging.Postgres.Commits;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Sagas;

/// <summary>Loads the instances that are asked for while a query is in flight by one query after it; the first goes at once.</summary>
sealed class SagaLoader<TSaga>(SagaRepositoryOptions<TSaga> options, IServiceProvider services) where TSaga : class, ISaga
{
    readonly Lock _lock = new();
    readonly List<(Guid Id, TaskCompletionSource<TSaga?> Found)> _waiting = [];
    bool? _fits;
    bool _loading;

    /// <summary>Whether an instance can change contexts; not one whose query is the user's own.</summary>
    public bool Fits(DbContext db) => _fits ??= options is { Customization: null, GetWarmContexts: not null } && db.Model.FindEntityType(typeof(TSaga))?.IsSelfContained() == true;

    /// <summary>An instance that no context tracks, and nobody else has; null if there is none.</summary>
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

        Flow.StartClean(Run); // on this thread as far as the database
        return found.Task;
    }

    async Task Run()
    {
        List<Action> loaded = [];
        while (true)
        {
            var asked = Take();
            for (var i = loaded.Count - 1; i >= 0; i--)
                Flow.GoOn(here: i == 0 && asked.Count == 0, loaded[i]); // where nobody waits for this thread, one of them goes on here
            if (asked.Count == 0)
                return;
            loaded = await Load(asked).ConfigureAwait(false);
        }
    }

    async Task<List<Action>> Load(Dictionary<Guid, TaskCompletionSource<TSaga?>> asked)
    {
        try
        {
            var instances = await options.GetWarmContexts!(services).Use(db => options.FindByIds(db, [.. asked.Keys])).ConfigureAwait(false);
            return [.. asked.Select(x => (Action)(() => x.Value.SetResult(instances.GetValueOrDefault(x.Key))))];
        }
        catch (Exception e)
        {
            return [.. asked.Values.Select(x => (Action)(() => x.SetException(e)))];
        }
    }

    /// <summary>All that wait, each instance once: two messages change two copies.</summary>
    Dictionary<Guid, TaskCompletionSource<TSaga?>> Take()
    {
        lock (_lock)
        {
            var asked = new Dictionary<Guid, TaskCompletionSource<TSaga?>>();
            _waiting.RemoveAll(x => asked.TryAdd(x.Id, x.Found));
            _loading = asked.Count > 0;
            return asked;
        }
    }
}
