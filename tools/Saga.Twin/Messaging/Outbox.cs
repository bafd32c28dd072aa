using System.Collections.Concurrent;
using Npgsql;

namespace Saga.Twin;

/// <summary>
/// Commits statements that add rows to the outbox, and publishes the rows. The rows of confirmed messages are deleted
/// by the next transaction, so that deletions cost no transactions of their own under load.
/// </summary>
sealed class Outbox(NpgsqlDataSource database, Broker broker)
{
    readonly ConcurrentQueue<Guid> _confirmed = new();

    /// <summary>Whether rows of confirmed messages are waiting for the next transaction.</summary>
    public bool HasConfirmed => !_confirmed.IsEmpty;

    /// <summary>
    /// Commits a statement, or only the deletion of confirmed rows, as one transaction in one round trip.
    /// </summary>
    /// <returns>The ids that the statement returns.</returns>
    public async Task<IReadOnlySet<Guid>> CommitAsync(NpgsqlBatchCommand? statement)
    {
        await using var connection = await database.OpenConnectionAsync();
        await using var batch = new NpgsqlBatch(connection); // without BEGIN, a batch is an implicit transaction
        if (statement != null)
            batch.BatchCommands.Add(statement);
        var confirmed = new List<Guid>();
        while (_confirmed.TryDequeue(out var id))
            confirmed.Add(id);
        if (confirmed.Count > 0)
            batch.BatchCommands.Add(Postgres.Statement("delete from outbox where message_id = any($1)",
                confirmed.ToArray()));

        var ids = new HashSet<Guid>();
        if (batch.BatchCommands.Count == 0)
            return ids;
        await using var reader = await batch.ExecuteReaderAsync();
        do
            while (await reader.ReadAsync())
                ids.Add(reader.GetGuid(0));
        while (await reader.NextResultAsync());
        return ids;
    }

    /// <summary>Publishes committed messages; completes when the broker has confirmed them all.</summary>
    public async Task PublishAsync(IReadOnlyList<OutgoingMessage> messages)
    {
        await Task.WhenAll(messages.Select(broker.PublishAsync));
        foreach (var message in messages)
            _confirmed.Enqueue(message.Id);
    }

    /// <summary>The replies to earlier deliveries of messages that may not have been confirmed.</summary>
    public async Task<IReadOnlyList<OutgoingMessage>> UnsentRepliesAsync(IEnumerable<Guid> messageIds)
    {
        await using var command = database.CreateCommand(
            "select message_id, queue, body from outbox where inbox_message_id = any($1)");
        command.Parameters.Add(new NpgsqlParameter { Value = messageIds.ToArray() });
        await using var reader = await command.ExecuteReaderAsync();
        var replies = new List<OutgoingMessage>();
        while (await reader.ReadAsync())
            replies.Add(new OutgoingMessage(reader.GetGuid(0), reader.GetString(1), reader.GetFieldValue<byte[]>(2)));
        return replies;
    }
}
