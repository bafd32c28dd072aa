using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;

namespace Saga.Simulation;

/// <summary>
/// A replica's access to the simulated outbox rows, of which it owns those that it sends, and to the simulated broker,
/// for the production dispatcher.
/// </summary>
sealed class ReplicaOutbox(Replica replica, World world, SimDatabase database, OutboxOptions<DbContext> options,
    DatabaseClock<DbContext> clock)
    : IOutboxRows<DbContext>, IOutboxTransport<DbContext>
{
    readonly ReplicaPublisher _publisher = new(replica.Process, world);

    public bool IsAvailable => !world.Broker.IsDown;

    public Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken) =>
        _publisher.Publish((SimOutboxMessage)message);

    public Task ReadClock(CancellationToken cancellationToken) =>
        clock.Set(() => replica.Query("read the clock", () => world.Now));

    public Task<List<OutboxMessage>> Claim(Guid ownerId, bool retries, CancellationToken cancellationToken) =>
        replica.Query("claim", () =>
    {
        var due = database.Outbox.Values
            .Where(x => x.EnqueueTime <= world.Now && x is { OwnerId: null, Parked: null } && x.Attempts > 0 == retries)
            .OrderBy(x => x.EnqueueTime).ThenBy(x => x.Id).Take(retries ? 1 : options.QueryMessageLimit).ToList();
        foreach (var row in due)
            (row.OwnerId, row.EnqueueTime) = (ownerId, world.Now + OutboxMessage.OwnedTime);
        return due.ConvertAll<OutboxMessage>(x => x.Copy());
    });

    public Task Delete(Guid[] ids, CancellationToken cancellationToken) =>
        replica.Query("delete sent", () => Replica.Done(() =>
    {
        foreach (var id in ids)
            database.Outbox.Remove(id);
    }));

    public Task Postpone(Guid ownerId, Guid id, int attempts, TimeSpan pause, bool park, string error,
        CancellationToken cancellationToken) =>
        replica.Query("postpone", () => Replica.Done(() =>
        {
            if (database.Outbox.TryGetValue(id, out var row) && row.OwnerId == ownerId)
                (row.Attempts, row.EnqueueTime, row.OwnerId, row.Parked) =
                    (attempts, world.Now + pause, null, park ? world.Now : null);
        }));

    public Task<IReadOnlyList<OutboxState>> Heartbeat(OutboxState self, CancellationToken cancellationToken) =>
        replica.Query<IReadOnlyList<OutboxState>>("heartbeat", () =>
        {
            database.Heartbeats[self.OutboxId] = self.Heartbeats;
            return [.. database.Heartbeats.Select(x => new OutboxState { OutboxId = x.Key, Heartbeats = x.Value })];
        });

    public Task<int> Adopt(IReadOnlyCollection<OutboxState> dead, CancellationToken cancellationToken) =>
        replica.Query("adopt", () =>
        {
            foreach (var state in dead.Where(x => database.Heartbeats.GetValueOrDefault(x.OutboxId) == x.Heartbeats))
                database.Heartbeats.Remove(state.OutboxId);
            return world.Mutant == Mutant.AdoptionOff ? 0 : Free(database.Outbox.Values
                .Where(x => x.OwnerId is { } owner && (world.Mutant == Mutant.AdoptsFromTheLiving
                    || !database.Heartbeats.ContainsKey(owner))));
        });

    public Task Release(Guid ownerId, Guid[] ids, CancellationToken cancellationToken) =>
        replica.Query("release", () => Free(ids.Select(database.Outbox.GetValueOrDefault).OfType<SimOutboxMessage>()
            .Where(x => x.OwnerId == ownerId)));

    public Task<IReadOnlyCollection<(Guid Id, DateTime EnqueueTime)>> FindOwn(
        Guid ownerId, CancellationToken cancellationToken) =>
        replica.Query<IReadOnlyCollection<(Guid, DateTime)>>("find own", () => world.Mutant == Mutant.LostCommitsOff
            ? [] : [.. database.Outbox.Values.Where(x => x.OwnerId == ownerId).Select(x => (x.Id, x.EnqueueTime))]);

    int Free(IEnumerable<SimOutboxMessage> rows)
    {
        var freed = rows.ToList();
        foreach (var row in freed)
            (row.OwnerId, row.EnqueueTime) = (null, world.Now);
        return freed.Count;
    }
}
