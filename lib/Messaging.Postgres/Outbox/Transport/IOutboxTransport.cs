using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Outbox;

/// <summary>Sends committed messages: over the bus, over a transport of the host, or in a simulation.</summary>
interface IOutboxTransport<TDbContext> where TDbContext : DbContext
{
    /// <summary>
    /// False while the broker is unreachable or blocks publishers. Recovery does not send then, and a failure does not
    /// count against its message.
    /// </summary>
    bool IsAvailable { get; }

    /// <summary>Sends a message as it was serialized; completes when the broker has confirmed it.</summary>
    /// <param name="message">The message.</param>
    /// <param name="now">The database's time, which decides the rest of the time to live.</param>
    /// <param name="cancellationToken">Gives up; the broker may have the message nevertheless.</param>
    Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken);
}
