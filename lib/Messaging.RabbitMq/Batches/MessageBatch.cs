using System.Buffers;
using System.Buffers.Binary;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>
/// The format of many messages for one queue in one AMQP message, which costs the broker as much as one message.
/// </summary>
/// <remarks>
/// <para>
/// Batches have a queue of their own beside the queue of single messages, which only replicas that know this format
/// consume. They hold messages that waited together; a message that waits alone is an ordinary one in the ordinary
/// queue, as is every message with a priority, an expiry, or headers other than its trace.
/// </para>
/// <code>
/// AMQP property  content
/// -------------  ----------------------------------------------------------------------------------
/// content-type   application/vnd.messaging-rabbitmq.batch
/// type           the content type of all members
/// user-id        the sender of all members
/// headers        the traces of the members that are traced (BatchTraces)
/// body           per member: message id (16 bytes), correlation id (16 bytes, zeros for none),
///                length (4 bytes, little-endian), body
/// </code>
/// </remarks>
static class MessageBatch
{
    /// <summary>The largest number of messages in a batch.</summary>
    public const int MaxCount = 100;

    /// <summary>The largest size of a batch's body in bytes.</summary>
    public const int MaxSize = 64 * 1024;

    const string ContentType = "application/vnd.messaging-rabbitmq.batch";
    const int GuidSize = 16;
    const int HeaderSize = 2 * GuidSize + sizeof(int);

    /// <summary>The queue, and the exchange before it, of the batches for a queue.</summary>
    public static string QueueOf(string queue) => queue + "_batch";

    /// <summary>The size of a message in a batch, in bytes.</summary>
    public static int SizeOf(UnconfirmedMessage message) => HeaderSize + message.Body.Length;

    /// <summary>Writes messages with the same content type into one.</summary>
    public static (BasicProperties Properties, ReadOnlyMemory<byte> Body) Write(
        IReadOnlyCollection<UnconfirmedMessage> messages)
    {
        var writer = new ArrayBufferWriter<byte>(messages.Sum(SizeOf));
        foreach (var message in messages)
        {
            var header = writer.GetSpan(HeaderSize);
            Guid.Parse(message.Properties.MessageId!).TryWriteBytes(header);
            (message.Properties.CorrelationId is { } id ? Guid.Parse(id) : Guid.Empty)
                .TryWriteBytes(header[GuidSize..]);
            BinaryPrimitives.WriteInt32LittleEndian(header[(2 * GuidSize)..], message.Body.Length);
            writer.Advance(HeaderSize);
            writer.Write(message.Body.Span);
        }

        var properties = new BasicProperties
        {
            MessageId = Guid.NewGuid().ToString(),
            ContentType = ContentType,
            Type = messages.First().Properties.ContentType,
            UserId = messages.First().Properties.UserId,
            Persistent = true,
        };
        BatchTraces.Write(messages, properties);
        return (properties, writer.WrittenMemory);
    }

    /// <summary>Reads the messages of a batch; their bodies are parts of its body.</summary>
    /// <returns>Null if the content is not a batch.</returns>
    public static List<(BasicProperties Properties, ReadOnlyMemory<byte> Body)>? Read(
        IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body)
    {
        if (properties.ContentType != ContentType)
            return null;
        var messages = new List<(BasicProperties, ReadOnlyMemory<byte>)>();
        while (body.Length >= HeaderSize)
        {
            var header = body.Span[..HeaderSize];
            var (id, correlationId) = (new Guid(header[..GuidSize]), new Guid(header[GuidSize..(2 * GuidSize)]));
            var length = BinaryPrimitives.ReadInt32LittleEndian(header[(2 * GuidSize)..]);
            body = body[HeaderSize..];
            if (length < 0 || length > body.Length)
                return null;
            messages.Add((new BasicProperties
            {
                MessageId = id.ToString(),
                CorrelationId = correlationId == Guid.Empty ? null : correlationId.ToString(),
                ContentType = properties.Type,
                UserId = properties.UserId,
                Persistent = true,
            }, body[..length]));
            body = body[length..];
        }

        if (!body.IsEmpty || messages.Count == 0)
            return null;
        BatchTraces.Read(properties, messages);
        return messages;
    }
}
