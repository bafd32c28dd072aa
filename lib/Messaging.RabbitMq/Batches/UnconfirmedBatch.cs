using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>Messages on their way to the broker in one AMQP message, which must reach a queue.</summary>
sealed class UnconfirmedBatch(CachedString exchange, BasicProperties properties, ReadOnlyMemory<byte> body,
    IReadOnlyList<UnconfirmedMessage> members)
    : UnconfirmedMessage(exchange, mandatory: true, properties, body, CancellationToken.None)
{
    public IReadOnlyList<UnconfirmedMessage> Members => members;

    /// <summary>Writes messages with the same batch exchange and content type into one.</summary>
    public static UnconfirmedBatch Of(IReadOnlyList<UnconfirmedMessage> members)
    {
        var (properties, body) = MessageBatch.Write(members);
        RabbitMetrics.BatchSent(members[0].BatchExchange!.Value, members.Count);
        return new UnconfirmedBatch(members[0].BatchExchange!, properties, body, members);
    }

    public override void End(Exception? error)
    {
        foreach (var member in members)
            member.End(error);
    }
}
