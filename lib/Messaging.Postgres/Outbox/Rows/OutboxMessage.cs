using System.ComponentModel.DataAnnotations.Schema;
using System.Diagnostics;
using MassTransit.Context;
using MassTransit.Serialization;
using Messaging.Postgres.Observability;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// A committed message that the broker has not confirmed, or that is not due. It is serialized once, when it is sent or
/// published.
/// </summary>
public class OutboxMessage
{
    /// <summary>How long builds that know no owners wait before they claim a message that has one.</summary>
    internal static readonly TimeSpan OwnedTime = TimeSpan.FromSeconds(15);

    string? _traceParent;

    /// <summary>The row's key: a message can be sent to several addresses.</summary>
    public Guid Id { get; set; }

    /// <summary>The message's id.</summary>
    public Guid MessageId { get; set; }

    /// <summary>The id that all messages of a conversation have in common.</summary>
    public Guid? ConversationId { get; set; }

    /// <summary>The id of the entity or saga that the message concerns.</summary>
    public Guid? CorrelationId { get; set; }

    /// <summary>The time at which the message was sent or published, by the database's clock.</summary>
    public DateTime SentTime { get; set; }

    /// <summary>
    /// The time from which any replica may claim a message without owner, by the database's clock: the end of a pause
    /// after a failure, or the scheduled time. Builds that know no owners look at it alone.
    /// </summary>
    public DateTime EnqueueTime { get; set; }

    /// <summary>
    /// The replica that sends the message (<see cref="OutboxState.OutboxId" />); null if any may claim it.
    /// </summary>
    public Guid? OwnerId { get; set; }

    /// <summary>The time at which the message expires; null for never.</summary>
    public DateTime? ExpirationTime { get; set; }

    /// <summary>The message whose handler sent this one, or null.</summary>
    public Guid? InboxMessageId { get; set; }

    /// <summary>The consumer whose handler sent this one, or null.</summary>
    public Guid? InboxConsumerId { get; set; }

    /// <summary>The token that cancels a scheduled message; null for a message that is not scheduled.</summary>
    public Guid? TokenId { get; set; }

    /// <summary>The address of the exchange or queue.</summary>
    public string DestinationAddress { get; set; } = "";

    /// <summary>The URNs of the message's types, separated by semicolons.</summary>
    public string MessageType { get; set; } = "";

    /// <summary>The media type of <see cref="Body" />.</summary>
    public string ContentType { get; set; } = "";

    /// <summary>The serialized message with its envelope.</summary>
    public string Body { get; set; } = "";

    /// <summary>Transport headers as JSON, or null for none.</summary>
    public string? Headers { get; set; }

    /// <summary>Transport properties as JSON (routing key, priority, mandatory), or null for none.</summary>
    public string? Properties { get; set; }

    /// <summary>The number of times that the broker has refused the message.</summary>
    public int Attempts { get; set; }

    /// <summary>The time at which the message was parked; null while it is retried.</summary>
    public DateTime? Parked { get; set; }

    /// <summary>The reason why the last attempt failed.</summary>
    public string? LastError { get; set; }

    /// <summary>The serializer's body; null in a row that was read from the database.</summary>
    [NotMapped]
    internal MessageBody? SerializedBody { get; private set; }

    /// <summary>The values of <see cref="Headers" />; null in a row that was read from the database.</summary>
    [NotMapped]
    internal IReadOnlyDictionary<string, object>? HeaderValues { get; private set; }

    /// <summary>The values of <see cref="Properties" />; null in a row that was read from the database.</summary>
    [NotMapped]
    internal IReadOnlyDictionary<string, object>? PropertyValues { get; private set; }

    /// <summary>The value of the tag of its spans; null in a row that was read from the database.</summary>
    [NotMapped]
    internal object? TraceTag { get; private set; }

    /// <summary>The trace that the message belongs to, in the form of the header; null for none.</summary>
    [NotMapped]
    internal string? TraceParent
    {
        get => _traceParent ??= HeaderValues?.GetValueOrDefault(MessageSpans.Header) as string
            ?? (HeaderValues == null && Headers?.Contains(MessageSpans.Header, StringComparison.Ordinal) == true
                ? FromJson(Headers).GetValueOrDefault(MessageSpans.Header) as string : null);
        set => _traceParent = value;
    }

    /// <summary>The trace that the message belongs to; the default value for none.</summary>
    [NotMapped]
    public ActivityContext Trace =>
        ActivityContext.TryParse(TraceParent, null, isRemote: true, out var trace) ? trace : default;

    /// <summary>Serializes the message of a send or publish context.</summary>
    /// <param name="context">The context of the send or publish.</param>
    /// <param name="now">The database's time.</param>
    /// <param name="ownerId">The replica that sends the message if it is not scheduled; null for any.</param>
    /// <param name="tag">The tag of the spans of the message.</param>
    /// <exception cref="MessageException">The context has no message id, or no destination.</exception>
    internal static OutboxMessage Capture<T>(SendContext<T> context, DateTime now, Guid? ownerId, MessageTag? tag)
        where T : class
    {
        var delay = context.Delay is { } given && given > TimeSpan.Zero ? given : TimeSpan.Zero;
        // Also if the scheduled time has passed.
        var isDelayed = delay > TimeSpan.Zero || context.ScheduledMessageId != null;
        context.TimeToLive += delay; // it counts from the scheduled time
        var body = context.Serializer.GetMessageBody(context);
        var message = new OutboxMessage
        {
            Id = NewId.NextSequentialGuid(),
            MessageId = context.MessageId ?? throw new MessageException(typeof(T), "An outbox needs a message id"),
            ConversationId = context.ConversationId,
            CorrelationId = context.CorrelationId,
            SentTime = now,
            EnqueueTime = now + delay,
            OwnerId = isDelayed ? null : ownerId,
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
        if (MessageSpans.Current is { } span)
        {
            headers[MessageSpans.Header] = span.Id!;
            message.TraceTag = tag?.ValueOf(context.Message);
            if (message.TraceTag is string text && Guid.TryParse(text, out var id))
                message.CorrelationId ??= id; // for the replica that sends the row
        }

        (message.Headers, message.HeaderValues) = (ToJson(headers), headers);
        (message.Properties, message.PropertyValues) = (ToJson(properties), properties);
        return message;
    }

    /// <summary>Reads <see cref="Headers" /> or <see cref="Properties" />.</summary>
    internal static Dictionary<string, object> FromJson(string? json) =>
        SystemTextJsonMessageSerializer.Instance.DeserializeDictionary<object>(json) ?? [];

    static string? ToJson(Dictionary<string, object> values) =>
        values.Count == 0 ? null : SystemTextJsonMessageSerializer.Instance.SerializeDictionary(values);

    /// <summary>
    /// Sets the time of a message that has an owner, when it is written: builds that know no owners claim it later.
    /// </summary>
    internal void SetEnqueueTime(DateTime now)
    {
        if (OwnerId != null)
            EnqueueTime = now + OwnedTime;
    }

    /// <summary>Whether the message is sent at its scheduled time instead of right after the commit.</summary>
    internal bool IsDelayed => TokenId != null;
}
