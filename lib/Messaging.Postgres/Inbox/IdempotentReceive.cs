using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Outbox;

namespace Messaging.Postgres.Inbox;

/// <summary>One delivery of a message to one consumer, by its steps; a database and a broker, or a simulation of them.</summary>
interface IReceiveAttempt
{
    /// <summary>The broker says that it may have been delivered before.</summary>
    bool IsRedelivered { get; }

    /// <summary>The handler's effects are durable.</summary>
    bool IsCommitted { get; }

    /// <summary>What the handler sent, published or scheduled.</summary>
    IReadOnlyList<OutboxMessage> Captured { get; }

    /// <summary>Whether the inbox has the message.</summary>
    Task<bool> IsConsumed();

    /// <summary>Runs the handler and commits its effects with the inbox row, whose key is unique; throws if nothing was committed.</summary>
    Task HandleAndCommit();

    /// <summary>
    /// Rolls back, and looks whether the message is consumed after all: by another delivery, or by a commit whose answer
    /// was lost. False if that cannot be found out.
    /// </summary>
    Task<bool> WasConsumed();

    /// <summary>What an earlier delivery committed and did not get sent.</summary>
    Task<List<OutboxMessage>> Left();

    /// <summary>Sends, and returns when each message is confirmed or left to recovery.</summary>
    Task Send(IReadOnlyList<OutboxMessage> messages);
}

/// <summary>
/// The order of steps that lets a message have its effects once, however often it is delivered. When this returns, the
/// delivery is to be acknowledged; when it throws, nothing was committed, and it is to be tried again.
/// </summary>
static class Delivery
{
    /// <returns>True if the delivery was a repeat.</returns>
    public static async Task<bool> ReceiveOnce(this IReceiveAttempt delivery)
    {
        // A redelivery is likely to be a repeat; any other delivery finds that out by the inbox's key.
        var isRepeat = delivery.IsRedelivered && await delivery.IsConsumed().ConfigureAwait(false);
        if (!isRepeat)
            try
            {
                await delivery.HandleAndCommit().ConfigureAwait(false);
            }
            catch (Exception) when (!delivery.IsCommitted)
            {
                // A repeat may also fail in the handler, or on a key of its own, before it meets the inbox.
                isRepeat = await delivery.WasConsumed().ConfigureAwait(false);
                if (!isRepeat)
                    throw;
            }

        // The first delivery committed, but may have died before it sent everything.
        await delivery.Send(isRepeat ? await delivery.Left().ConfigureAwait(false) : delivery.Captured).ConfigureAwait(false);
        FaultInjection.Reach(FaultPoint.AfterSend);
        return isRepeat;
    }
}
