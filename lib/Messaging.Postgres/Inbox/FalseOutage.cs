using MassTransit;

namespace Messaging.Postgres.Inbox;

/// <summary>How often one delivery has failed in a row as if the database were unavailable, while it worked.</summary>
sealed class FalseOutage
{
    /// <summary>
    /// Enough for an outage that begins or ends, and for a server that is too slow for a while; with pauses of up to
    /// ten seconds, as the services have, these are about three minutes.
    /// </summary>
    const int MaxFailures = 20;

    int _failures;

    /// <param name="delivery">The delivery whose handler has failed.</param>
    /// <param name="error">The failure.</param>
    /// <param name="isDatabaseUp">Whether the database has answered another query just now.</param>
    /// <exception cref="FalseOutageException">The limit is reached.</exception>
    public static void Count(ReceiveContext delivery, Exception error, bool isDatabaseUp)
    {
        if (!PostgresErrors.MayBeFalseOutage(error))
            return;
        var count = delivery.GetOrAddPayload(() => new FalseOutage());
        count._failures = isDatabaseUp ? count._failures + 1 : 0;
        if (count._failures >= MaxFailures)
            throw new FalseOutageException(count._failures, error);
    }
}
