namespace Messaging.RabbitMq;

/// <summary>Combines messages that wait at the same time.</summary>
static class BatchBuilder
{
    /// <summary>
    /// Replaces messages with the same exchange of batches by batches of at most <see cref="MessageBatch.MaxCount" />
    /// messages and <see cref="MessageBatch.MaxSize" /> bytes; a message that is alone remains as it is.
    /// </summary>
    public static List<UnconfirmedMessage> Combine(List<UnconfirmedMessage> messages)
    {
        if (messages.Count < 2)
            return messages;
        var combined = new List<UnconfirmedMessage>();
        foreach (var same in messages.GroupBy(x => (Exchange: ExchangeOf(x), x.Properties.ContentType)))
            combined.AddRange(same.Key.Exchange == null ? same : Split(same));
        return combined;
    }

    static object? ExchangeOf(UnconfirmedMessage message) =>
        message.CancellationToken.IsCancellationRequested ? null : message.BatchExchange;

    static IEnumerable<UnconfirmedMessage> Split(IEnumerable<UnconfirmedMessage> messages)
    {
        var (batch, size) = (new List<UnconfirmedMessage>(), 0);
        foreach (var message in messages)
        {
            var added = MessageBatch.SizeOf(message);
            if (batch.Count == MessageBatch.MaxCount || batch.Count > 0 && size + added > MessageBatch.MaxSize)
            {
                yield return AsOne(batch);
                (batch, size) = ([], 0);
            }

            batch.Add(message);
            size += added;
        }

        yield return AsOne(batch);
    }

    static UnconfirmedMessage AsOne(List<UnconfirmedMessage> batch) =>
        batch is [var alone] ? alone : UnconfirmedBatch.Of(batch);
}
