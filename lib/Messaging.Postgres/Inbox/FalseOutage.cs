using MassTransit;

namespace Messaging.Postgres.Inbox;

/// <summary>How often one delivery has failed in a row as if the database were unavailable, while it worked.</summary>
sealed class FalseOutage
{
    /// <summary>
    /// Enough for a server that is too slow for a while: with pauses of up to ten seconds, as the services have, these
    /// are about three minutes.
    /// </summary>
    const int MaxFailures = 20;

    int _failures;
    long _lastAnswer;

    /// <param name="delivery">The delivery whose handler has failed.</param>
    /// <param name="error">The failure.</param>
    /// <param name="lastAnswer">
    /// When the database has last answered another query. A failure counts only if that was after the failure before.
    /// </param>
    /// <param name="isRecent">Whether that was just now.</param>
    /// <exception cref="FalseOutageException">The limit is reached.</exception>
    public static void Count(ReceiveContext delivery, Exception error, long lastAnswer, bool isRecent)
    {
        if (!PostgresErrors.MayBeFalseOutage(error))
            return;
        var count = delivery.GetOrAddPayload(() => new FalseOutage());
        if (!isRecent)
            count._failures = 0;
        else if (lastAnswer != count._lastAnswer)
            count._failures++;
        count._lastAnswer = lastAnswer;
        if (count._failures >= MaxFailures)
            throw new FalseOutageException(count._failures, error);
    }
}
