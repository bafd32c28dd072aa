namespace Messaging.Postgres.Inbox;

/// <summary>
/// The order of steps by which a message has its effects once, however often it is delivered. The delivery is
/// acknowledged when <see cref="ReceiveOnce" /> returns. When it throws, nothing was committed, and the message is
/// retried or delivered again.
/// </summary>
static class IdempotentReceive
{
    /// <returns>True if the message is a duplicate.</returns>
    public static async Task<bool> ReceiveOnce(this IReceiveAttempt attempt)
    {
        // Only a redelivery is likely to be a duplicate. Any other finds the inbox row when it inserts its own.
        var isDuplicate = attempt.IsRedelivered && await attempt.IsConsumed().ConfigureAwait(false);
        if (!isDuplicate)
            try
            {
                await attempt.HandleAndCommit().ConfigureAwait(false);
            }
            catch (Exception)
            {
                // It may be committed: the response can be lost, or an error can follow.
                attempt.ReleaseCaptured();
                if (attempt.IsCommitted)
                    throw;
                // A duplicate can also fail in its handler, or on a business key, before it reaches the inbox.
                isDuplicate = await attempt.WasConsumed().ConfigureAwait(false);
                if (!isDuplicate)
                    throw;
            }

        // The attempt that committed may have ended before it had sent everything. If this is no redelivery, it most
        // likely has not ended, and sends the rest itself.
        var messages = !isDuplicate ? attempt.Captured
            : attempt.IsRedelivered ? await attempt.FindUnsent().ConfigureAwait(false) : [];
        await attempt.Send(messages).ConfigureAwait(false);
        FaultInjection.Reach(FaultPoint.AfterSend);
        return isDuplicate;
    }
}
