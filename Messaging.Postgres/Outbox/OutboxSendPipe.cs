using System.Net.Mime;
using MassTransit;
using MassTransit.Context;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Serialization;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Gives a message to the transport as it was serialised: no object is made from it and nothing is serialised again.
/// Ids, headers, properties and the rest of its time to live go with it.
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

        var json = SystemTextJsonMessageSerializer.Instance;
        if (json.DeserializeDictionary<object>(message.Headers) is { } headers)
            foreach (var (key, value) in headers)
                context.Headers.Set(key, value);
        if (context is TransportSendContext transport && json.DeserializeDictionary<object>(message.Properties) is { } properties)
            transport.ReadPropertiesFrom(properties);

        context.Delay = null;
        context.Serializer = this;
        return Task.CompletedTask;
    }

    public MessageBody GetMessageBody<T>(SendContext<T> context) where T : class =>
        message.SerializedBody
        ?? context.Serialization.GetMessageDeserializer(ContentType).GetMessageBody(message.Body);

    public void Probe(ProbeContext context) => context.CreateFilterScope("outboxMessage");
}
