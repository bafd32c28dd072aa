using MassTransit.EntityFrameworkCoreIntegration;

namespace Messaging.Postgres.Inbox;

/// <summary>
/// The steps of receiving one message for one consumer, on a database and a broker or on a simulation of them.
/// </summary>
interface IReceiveAttempt
{
    /// <summary>Whether the broker marks the message as possibly delivered before.</summary>
    bool IsRedelivered { get; }

    /// <summary>Whether the handler's effects are durable.</summary>
    bool IsCommitted { get; }

    /// <summary>The messages that the handler sent or published.</summary>
    IReadOnlyList<OutboxMessage> Captured { get; }

    /// <summary>Whether the inbox contains the message.</summary>
    Task<bool> IsConsumed();

    /// <summary>
    /// Runs the handler and commits its effects with the inbox row, whose key is unique. Throws if nothing was
    /// committed.
    /// </summary>
    Task HandleAndCommit();

    /// <summary>
    /// Rolls back, then checks the inbox: a concurrent delivery, or a commit whose response was lost, may have consumed
    /// the message. False if the inbox cannot be read.
    /// </summary>
    Task<bool> WasConsumed();

    /// <summary>The messages that an earlier attempt has committed and not sent.</summary>
    Task<List<OutboxMessage>> FindUnsent();

    /// <summary>Leaves to recovery what the handler sent or published, as far as it was committed.</summary>
    void ReleaseCaptured();

    /// <summary>Sends messages, and returns when each is confirmed or left to recovery.</summary>
    Task Send(IReadOnlyList<OutboxMessage> messages);
}
