using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>Sends committed messages: over the bus, over a transport of the host, or in a simulation.</summary>
interface IOutboxTransport<TDbContext> where TDbContext : DbContext
{
    /// <summary>False while the broker is unreachable or blocks publishers. Recovery does not send then.</summary>
    bool IsAvailable { get; }

    /// <summary>Whether the message's own broker is available; otherwise a failure does not count against it.</summary>
    bool IsAvailableFor(OutboxMessage message) => IsAvailable;

    /// <summary>Sends a message as it was serialized; completes when the broker has confirmed it.</summary>
    /// <param name="message">The message.</param>
    /// <param name="now">The database's time, which decides the rest of the time to live.</param>
    /// <param name="cancellationToken">Gives up; the broker may have the message nevertheless.</param>
    Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken);
}
