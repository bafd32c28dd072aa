using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;

namespace Saga.Simulation;

/// <summary>
/// A replica's access to the simulated outbox rows and to the simulated broker, for the production dispatcher.
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

    public Task<List<OutboxMessage>> Claim(bool retries, CancellationToken cancellationToken) =>
        replica.Query("claim", () =>
    {
        var due = database.Outbox.Values
            .Where(x => x.EnqueueTime <= world.Now && x.Parked == null && x.Attempts > 0 == retries)
            .OrderBy(x => x.EnqueueTime).ThenBy(x => x.Id).Take(retries ? 1 : options.QueryMessageLimit).ToList();
        foreach (var row in due)
            row.EnqueueTime = world.Now + options.DeliveryLease + options.MessageDeliveryTimeout;
        return due.ConvertAll<OutboxMessage>(x => x.Copy());
    });

    public Task Delete(Guid[] ids, CancellationToken cancellationToken) =>
        replica.Query("delete sent", () => Replica.Done(() =>
    {
        foreach (var id in ids)
            database.Outbox.Remove(id);
    }));

    public Task Postpone(Guid id, int attempts, TimeSpan pause, bool park, string error,
        CancellationToken cancellationToken) =>
        replica.Query("postpone", () => Replica.Done(() =>
        {
            if (database.Outbox.TryGetValue(id, out var row))
                (row.Attempts, row.EnqueueTime, row.Parked) = (attempts, world.Now + pause, park ? world.Now : null);
        }));
}
