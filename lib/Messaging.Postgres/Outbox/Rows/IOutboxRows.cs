using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>The rows of committed messages: in the database, or in a simulation.</summary>
interface IOutboxRows<TDbContext> where TDbContext : DbContext
{
    /// <summary>Reads the database's clock, which leases and schedules follow.</summary>
    Task ReadClock(CancellationToken cancellationToken);

    /// <summary>
    /// Claims due messages, oldest first, for the lease plus the time limit of a send. Replicas neither wait for each
    /// other nor claim the same row: rows that another replica is claiming are skipped, and claimed rows are not due.
    /// </summary>
    /// <param name="retries">Claims one message that was refused before; otherwise many that were not.</param>
    /// <param name="cancellationToken">Cancels the claim.</param>
    Task<List<OutboxMessage>> Claim(bool retries, CancellationToken cancellationToken);

    /// <summary>Deletes the rows of messages that the broker has confirmed.</summary>
    Task Delete(Guid[] ids, CancellationToken cancellationToken);

    /// <summary>Postpones a message, or parks it: a parked message is not sent until an operator resets it.</summary>
    Task Postpone(Guid id, int attempts, TimeSpan pause, bool park, string error, CancellationToken cancellationToken);
}
