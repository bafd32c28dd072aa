using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;

namespace Saga.Tests.Support;

/// <summary>The rows of an outbox without a database: they have owners, and are never due.</summary>
sealed class FakeOutboxRows : IOutboxRows<DbContext>
{
    /// <summary>How often the rows were searched for due messages.</summary>
    public int Searches;

    /// <summary>What every search fails with, or null.</summary>
    public volatile Exception? Error;

    /// <summary>The heartbeats of the replicas.</summary>
    public Dictionary<Guid, long> Heartbeats { get; } = [];

    /// <summary>The messages with their owners, null if any replica may claim them, and times.</summary>
    public Dictionary<Guid, (Guid? Owner, DateTime EnqueueTime)> Rows { get; } = [];

    public Task ReadClock(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref Searches);
        return Error == null ? Task.CompletedTask : Task.FromException(Error);
    }

    public Task<List<OutboxMessage>> Claim(Guid ownerId, bool retries, CancellationToken cancellationToken) =>
        Task.FromResult(new List<OutboxMessage>());

    public Task Delete(Guid[] ids, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task Postpone(Guid ownerId, Guid id, int attempts, TimeSpan pause, bool park, string error,
        CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<IReadOnlyList<OutboxState>> Heartbeat(OutboxState self, CancellationToken cancellationToken)
    {
        if (Error != null)
            return Task.FromException<IReadOnlyList<OutboxState>>(Error);
        Heartbeats[self.OutboxId] = self.Heartbeats;
        return Task.FromResult<IReadOnlyList<OutboxState>>(
            [.. Heartbeats.Select(x => new OutboxState { OutboxId = x.Key, Heartbeats = x.Value })]);
    }

    public Task<int> Adopt(IReadOnlyCollection<OutboxState> dead, CancellationToken cancellationToken)
    {
        foreach (var state in dead.Where(x => Heartbeats.GetValueOrDefault(x.OutboxId) == x.Heartbeats))
            Heartbeats.Remove(state.OutboxId);
        return Task.FromResult(Free(Rows.Where(x => x.Value.Owner is { } owner && !Heartbeats.ContainsKey(owner))
            .Select(x => x.Key)));
    }

    public Task Release(Guid ownerId, Guid[] ids, CancellationToken cancellationToken)
    {
        if (Error != null)
            return Task.FromException(Error);
        Free(ids.Where(x => Rows.TryGetValue(x, out var row) && row.Owner == ownerId));
        return Task.CompletedTask;
    }

    public Task<IReadOnlyCollection<(Guid Id, DateTime EnqueueTime)>> FindOwn(
        Guid ownerId, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyCollection<(Guid, DateTime)>>(
            [.. Rows.Where(x => x.Value.Owner == ownerId).Select(x => (x.Key, x.Value.EnqueueTime))]);

    int Free(IEnumerable<Guid> ids)
    {
        var freed = ids.ToList();
        freed.ForEach(x => Rows[x] = (null, default));
        return freed.Count;
    }
}
