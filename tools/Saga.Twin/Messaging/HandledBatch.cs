using Npgsql;

namespace Saga.Twin;

/// <summary>The database statement of a batch of messages, and the messages that it adds to the outbox.</summary>
/// <param name="Statement">
/// Adds the new messages to the inbox, applies them, adds the replies to the outbox, and returns the ids of the new
/// messages.
/// </param>
/// <param name="Replies">The reply to each message of the batch, in the same order; empty if there are none.</param>
sealed record HandledBatch(NpgsqlBatchCommand Statement, IReadOnlyList<OutgoingMessage> Replies);
