using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>The rows of committed messages: in the database, or in a simulation.</summary>
interface IOutboxRows<TDbContext> where TDbContext : DbContext
{
    /// <summary>Reads the database's clock, which schedules follow.</summary>
    Task ReadClock(CancellationToken cancellationToken);

    /// <summary>
    /// Claims due messages that nobody owns, oldest first. Replicas neither wait for each other nor claim the same row:
    /// rows that another replica is claiming are skipped.
    /// </summary>
    /// <param name="ownerId">The new owner.</param>
    /// <param name="retries">Claims one message that was refused before; otherwise many that were not.</param>
    /// <param name="cancellationToken">Cancels the claim.</param>
    Task<List<OutboxMessage>> Claim(Guid ownerId, bool retries, CancellationToken cancellationToken);

    /// <summary>Deletes the rows of messages that the broker has confirmed.</summary>
    Task Delete(Guid[] ids, CancellationToken cancellationToken);

    /// <summary>
    /// Postpones a message of a replica, which nobody owns then, or parks it: a parked message is not sent until an
    /// operator resets it.
    /// </summary>
    Task Postpone(Guid ownerId, Guid id, int attempts, TimeSpan pause, bool park, string error,
        CancellationToken cancellationToken);

    /// <summary>Writes the state of a replica, which is new or known, and returns the states of all.</summary>
    Task<IReadOnlyList<OutboxState>> Heartbeat(OutboxState self, CancellationToken cancellationToken);

    /// <summary>
    /// Deletes the states of dead replicas, unless they have counted a heartbeat since, and makes the messages
    /// claimable whose owner has no state. Returns their number.
    /// </summary>
    Task<int> Adopt(IReadOnlyCollection<OutboxState> dead, CancellationToken cancellationToken);

    /// <summary>Makes those of the messages claimable that a replica owns.</summary>
    Task Release(Guid ownerId, Guid[] ids, CancellationToken cancellationToken);

    /// <summary>The messages that a replica owns, with their <see cref="OutboxMessage.EnqueueTime" />.</summary>
    Task<IReadOnlyCollection<(Guid Id, DateTime EnqueueTime)>> FindOwn(
        Guid ownerId, CancellationToken cancellationToken);
}
