namespace Messaging.RabbitMq;

/// <summary>Combines messages that wait at the same time.</summary>
static class BatchBuilder
{
    /// <summary>
    /// Replaces messages with the same exchange of batches by batches of at most <see cref="MessageBatch.MaxCount" />
    /// messages and <see cref="MessageBatch.MaxSize" /> bytes; a message that is alone remains as it is.
    /// </summary>
    /// <param name="messages">The messages that wait.</param>
    /// <param name="failed">
    /// Receives the error if a batch cannot be built, for example because an id is no UUID: its messages remain as they
    /// are.
    /// </param>
    public static List<UnconfirmedMessage> Combine(List<UnconfirmedMessage> messages, Action<Exception>? failed = null)
    {
        if (messages.Count < 2)
            return messages;
        var combined = new List<UnconfirmedMessage>();
        foreach (var same in messages.GroupBy(x => (Exchange: ExchangeOf(x), x.Properties.ContentType)))
            combined.AddRange(same.Key.Exchange == null ? same : Split(same).SelectMany(x => AsOne(x, failed)));
        return combined;
    }

    static object? ExchangeOf(UnconfirmedMessage message) =>
        message.CancellationToken.IsCancellationRequested ? null : message.BatchExchange;

    static IEnumerable<List<UnconfirmedMessage>> Split(IEnumerable<UnconfirmedMessage> messages)
    {
        var (batch, size) = (new List<UnconfirmedMessage>(), 0);
        foreach (var message in messages)
        {
            var added = MessageBatch.SizeOf(message);
            if (batch.Count == MessageBatch.MaxCount || batch.Count > 0 && size + added > MessageBatch.MaxSize)
            {
                yield return batch;
                (batch, size) = ([], 0);
            }

            batch.Add(message);
            size += added;
        }

        yield return batch;
    }

    static List<UnconfirmedMessage> AsOne(List<UnconfirmedMessage> batch, Action<Exception>? failed)
    {
        try
        {
            return batch.Count == 1 ? batch : [UnconfirmedBatch.Of(batch)];
        }
        catch (Exception e)
        {
            failed?.Invoke(e);
            return batch;
        }
    }
}
