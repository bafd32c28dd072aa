using System.ComponentModel.DataAnnotations.Schema;
using MassTransit.Context;
using MassTransit.Serialization;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// A message that is committed and not yet known to be with the broker, or not due yet. Serialised once, when it was
/// sent or published; it leaves as it stands here.
/// </summary>
public class OutboxMessage
{
    /// <summary>The row's key: one message id may go to several addresses.</summary>
    public Guid Id { get; set; }

    /// <summary>The message's id.</summary>
    public Guid MessageId { get; set; }

    /// <summary>Follows a conversation through its messages.</summary>
    public Guid? ConversationId { get; set; }

    /// <summary>What the message is about, for example the order.</summary>
    public Guid? CorrelationId { get; set; }

    /// <summary>When it was sent or published by the code, by the database's clock.</summary>
    public DateTime SentTime { get; set; }

    /// <summary>
    /// From when on any replica may claim and send it, by the database's clock: the end of a lease, of a pause
    /// after a failure, or the time that it is scheduled for.
    /// </summary>
    public DateTime EnqueueTime { get; set; }

    /// <summary>When it loses its meaning; null for never.</summary>
    public DateTime? ExpirationTime { get; set; }

    /// <summary>The message whose handling sent this one, or null.</summary>
    public Guid? InboxMessageId { get; set; }

    /// <summary>The consumer whose handling sent this one, or null.</summary>
    public Guid? InboxConsumerId { get; set; }

    /// <summary>Set on a message that waits for its time, and only on such: what it is cancelled by.</summary>
    public Guid? TokenId { get; set; }

    /// <summary>Where it goes.</summary>
    public string DestinationAddress { get; set; } = "";

    /// <summary>The message's type urns, separated by semicolons.</summary>
    public string MessageType { get; set; } = "";

    /// <summary>The media type of <see cref="Body" />.</summary>
    public string ContentType { get; set; } = "";

    /// <summary>The serialised message, envelope included.</summary>
    public string Body { get; set; } = "";

    /// <summary>Transport headers as JSON, or null for none.</summary>
    public string? Headers { get; set; }

    /// <summary>Transport properties as JSON (routing key, priority, mandatory), or null for none.</summary>
    public string? Properties { get; set; }

    /// <summary>How often it was refused for a reason of its own.</summary>
    public int Attempts { get; set; }

    /// <summary>When it was given up; null while it is still tried.</summary>
    public DateTime? Parked { get; set; }

    /// <summary>Why the last try failed.</summary>
    public string? LastError { get; set; }

    /// <summary>The body as the serialiser made it, while the row has not left this process.</summary>
    [NotMapped]
    internal MessageBody? SerializedBody { get; private set; }

    /// <summary><see cref="Headers" /> as they were set, while the row has not left this process.</summary>
    [NotMapped]
    internal IReadOnlyDictionary<string, object>? HeaderValues { get; private set; }

    /// <summary><see cref="Properties" /> as they were set, while the row has not left this process.</summary>
    [NotMapped]
    internal IReadOnlyDictionary<string, object>? PropertyValues { get; private set; }

    /// <summary>Serialises what a send or publish context holds.</summary>
    /// <param name="context">The message on its way to the transport.</param>
    /// <param name="now">The database's time.</param>
    /// <param name="lease">How long this process alone may send it.</param>
    /// <exception cref="MessageException">The context has no message id, or no destination.</exception>
    internal static OutboxMessage Capture<T>(SendContext<T> context, DateTime now, TimeSpan lease) where T : class
    {
        var delay = context.Delay is { } given && given > TimeSpan.Zero ? given : TimeSpan.Zero;
        var isDelayed = delay > TimeSpan.Zero || context.ScheduledMessageId != null; // also for now, or the past
        var body = context.Serializer.GetMessageBody(context);
        var message = new OutboxMessage
        {
            Id = NewId.NextSequentialGuid(),
            MessageId = context.MessageId ?? throw new MessageException(typeof(T), "An outbox needs a message id"),
            ConversationId = context.ConversationId,
            CorrelationId = context.CorrelationId,
            SentTime = now,
            EnqueueTime = now + (isDelayed ? delay : lease),
            ExpirationTime = now + context.TimeToLive,
            TokenId = context.ScheduledMessageId ?? (isDelayed ? NewId.NextGuid() : null),
            DestinationAddress = context.DestinationAddress?.ToString()
                ?? throw new MessageException(typeof(T), "An outbox needs a destination address"),
            MessageType = string.Join(';', context.SupportedMessageTypes),
            ContentType = (context.ContentType ?? context.Serializer.ContentType).ToString(),
            Body = body.GetString(),
            SerializedBody = body,
        };
        var headers = context.Headers.GetAll().ToDictionary(x => x.Key, x => x.Value);
        var properties = new Dictionary<string, object>(StringComparer.OrdinalIgnoreCase);
        (context as TransportSendContext)?.WritePropertiesTo(properties);
        (message.Headers, message.HeaderValues) = (ToJson(headers), headers);
        (message.Properties, message.PropertyValues) = (ToJson(properties), properties);
        return message;
    }

    static string? ToJson(Dictionary<string, object> values) =>
        values.Count == 0 ? null : SystemTextJsonMessageSerializer.Instance.SerializeDictionary(values);

    /// <summary>True when it waits for its time instead of being sent right after the commit.</summary>
    internal bool IsDelayed => TokenId != null;
}
