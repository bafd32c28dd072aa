using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Serialization;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>Where committed messages go: the bus, or a simulation of a broker.</summary>
interface IOutboxTransport<TDbContext> where TDbContext : DbContext
{
    /// <summary>False while there is no broker, or it takes nothing: there is no use in trying then, and what fails is no fault of the message.</summary>
    bool IsThere { get; }

    /// <summary>Sends a message as it was serialised; returns when the broker has confirmed it.</summary>
    Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken);
}

/// <summary>The rows of committed messages: the database, or a simulation of one.</summary>
interface IOutboxRows<TDbContext> where TDbContext : DbContext
{
    /// <summary>Reads the database's time, by which leases and schedules are kept.</summary>
    Task ReadClock(CancellationToken cancellationToken);

    /// <summary>
    /// Takes messages that are due, oldest first, for one lease. Replicas never wait for each other here and never
    /// take the same row: rows that another one is claiming are skipped, claimed ones are not due.
    /// </summary>
    /// <param name="suspect">Claims one that was refused before; else many that were not.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<List<OutboxMessage>> Claim(bool suspect, CancellationToken cancellationToken);

    /// <summary>Deletes the rows of messages that the broker has confirmed.</summary>
    Task Delete(Guid[] ids, CancellationToken cancellationToken);

    /// <summary>Puts a message off, or parks it.</summary>
    Task Postpone(Guid id, int attempts, TimeSpan pause, bool park, string error, CancellationToken cancellationToken);
}

sealed class BusTransport<TDbContext>(IBusControl bus) : IOutboxTransport<TDbContext> where TDbContext : DbContext
{
    /// <summary>
    /// Not if endpoints that consume have all stopped: a bus that is losing its broker, or waits for it, is degraded at most,
    /// for its own endpoint consumes nothing and stays healthy.
    /// </summary>
    public bool IsThere
    {
        get
        {
            var health = bus.CheckHealth();
            var consuming = health.Endpoints.Values.Where(x => x.ReceiveEndpoint.Started.IsCompletedSuccessfully).ToList();
            var stopped = consuming.Count > 0 && consuming.TrueForAll(x => x.Status == BusHealthStatus.Degraded);
            return health.Status != BusHealthStatus.Unhealthy && !stopped;
        }
    }

    public async Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken)
    {
        // The transport keeps its endpoints: this is a look-up.
        var endpoint = await bus.GetSendEndpoint(new Uri(message.DestinationAddress)).ConfigureAwait(false);
        await endpoint.Send(new SerializedMessageBody(), new OutboxSendPipe(message, now), cancellationToken).ConfigureAwait(false);
    }
}
