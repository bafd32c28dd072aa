using System.Net.Mime;
using MassTransit;
using MassTransit.Context;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Observability;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Sends a message as it was serialized: without deserializing and serializing it again, and with its ids, headers,
/// properties and the rest of its time to live.
/// </summary>
sealed class OutboxSendPipe(OutboxMessage message, DateTime now) : IPipe<SendContext>, IMessageSerializer
{
    public ContentType ContentType { get; } = new(message.ContentType);

    public Task Send(SendContext context)
    {
        context.MessageId = message.MessageId;
        context.ConversationId = message.ConversationId;
        context.CorrelationId = message.CorrelationId;
        context.SupportedMessageTypes = message.MessageType.Split(';');
        if (message.ExpirationTime is { } expiration)
            context.TimeToLive = expiration > now ? expiration - now : TimeSpan.FromSeconds(1);

        foreach (var (key, value) in message.HeaderValues ?? OutboxMessage.FromJson(message.Headers))
            context.Headers.Set(key, value);
        if (message.TraceParent is { } parent)
            context.Headers.Set(MessageSpans.Header, parent);
        (context as TransportSendContext)?.ReadPropertiesFrom(message.PropertyValues
            ?? OutboxMessage.FromJson(message.Properties));
        context.Delay = null;
        context.Serializer = this;
        return Task.CompletedTask;
    }

    public MessageBody GetMessageBody<T>(SendContext<T> context) where T : class =>
        message.SerializedBody
        ?? context.Serialization.GetMessageDeserializer(ContentType).GetMessageBody(message.Body);

    public void Probe(ProbeContext context) => context.CreateFilterScope("outboxMessage");
}
