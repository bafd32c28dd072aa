using System.Text;
using System.Text.RegularExpressions;
using Messaging.RabbitMq;
using RabbitMQ.Client;

namespace Saga.Attack;

/// <summary>An AMQP message as it was published: one message, or a batch.</summary>
/// <param name="Exchange">The exchange.</param>
/// <param name="Properties">The properties.</param>
/// <param name="Body">The body.</param>
sealed partial record RecordedMessage(string Exchange, BasicProperties Properties, ReadOnlyMemory<byte> Body)
{
    public bool IsBatch => Members != null;

    /// <summary>The number of messages that a consumer receives.</summary>
    public int Count => Members?.Count ?? 1;

    List<(BasicProperties Properties, ReadOnlyMemory<byte> Body)>? Members => MessageBatch.Read(Properties, Body);

    /// <summary>The same content under new message ids.</summary>
    public RecordedMessage WithNewIds()
    {
        if (Members == null)
        {
            var id = Guid.NewGuid().ToString();
            var envelope = MessageId().Replace(Encoding.UTF8.GetString(Body.Span), $"\"messageId\":\"{id}\"");
            return new RecordedMessage(Exchange, new BasicProperties(Properties) { MessageId = id },
                Encoding.UTF8.GetBytes(envelope));
        }

        var members = TakenApart().Select(x => x.WithNewIds()).Select(x => new UnconfirmedMessage(
            new CachedString(x.Exchange), mandatory: false, x.Properties, x.Body, CancellationToken.None));
        var (properties, body) = MessageBatch.Write([.. members]);
        return new RecordedMessage(Exchange, properties, body);
    }

    /// <summary>The messages of a batch, for the queue of single messages; a single message as it is.</summary>
    public IEnumerable<RecordedMessage> TakenApart() =>
        Members?.Select(x => new RecordedMessage(Exchange[..^MessageBatch.QueueOf("").Length], x.Properties, x.Body))
        ?? [this];

    [GeneratedRegex("\"messageId\"\\s*:\\s*\"[^\"]*\"")]
    private static partial Regex MessageId();
}
