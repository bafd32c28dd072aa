using System.Diagnostics;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Logging;

namespace Messaging.Postgres.Observability;

/// <summary>
/// The spans of the source <c>Messaging.Postgres</c>: a message is processed, its unit of work is committed with
/// others, and what it has sent is on its way to the broker. A trace begins with a call and continues in the header
/// that MassTransit uses for it, so that both can trace the same message. Work that belongs to no recorded trace has no
/// spans, and costs nothing.
/// </summary>
static class MessageSpans
{
    /// <summary>The name of the source.</summary>
    public const string SourceName = "Messaging.Postgres";

    /// <summary>The header with the W3C <c>traceparent</c> of a message.</summary>
    public const string Header = DiagnosticHeaders.ActivityId;

    static readonly ActivitySource Source = new(SourceName);

    /// <summary>The current span if it is recorded, otherwise null.</summary>
    public static Activity? Current => Activity.Current is { Recorded: true } current ? current : null;

    /// <summary>Starts the span of a message that a consumer handles.</summary>
    public static Activity? StartProcess<T>(ConsumeContext<T> context, MessageTag? tag) where T : class
    {
        if (!Source.HasListeners())
            return null;
        var received = context.ReceiveContext;
        var parent = Current?.Context ?? Parse(received.TransportHeaders.Get<string>(Header));
        if (!IsRecorded(parent))
            return null;
        var queue = Destination.Of(received.InputAddress);
        var span = Start("process", ActivityKind.Consumer, queue, typeof(T).Name, parent);
        if (span == null)
            return null;
        span.SetTag("messaging.message.id", context.MessageId?.ToString());
        span.SetTag("messaging.rabbitmq.redelivered", received.Redelivered);
        tag?.Set(span, tag.ValueOf(context.Message));
        return span;
    }

    /// <summary>Starts the span of a committed message on its way to the broker, which becomes its parent.</summary>
    public static Activity? StartSend(OutboxMessage message, MessageTag? tag)
    {
        if (!Source.HasListeners() || Parse(message.TraceParent) is var parent && !IsRecorded(parent))
            return null;
        var type = message.MessageType.AsSpan();
        type = type[..(type.IndexOf(';') is var end and >= 0 ? end : type.Length)];
        var span = Start("send", ActivityKind.Producer, Destination.Of(message.DestinationAddress),
            type[(type.LastIndexOf(':') + 1)..].ToString(), parent);
        if (span == null)
            return null;
        message.TraceParent = span.Id;
        span.SetTag("messaging.message.id", message.MessageId.ToString());
        tag?.Set(span, message.TraceTag ?? message.CorrelationId?.ToString());
        return span;
    }

    /// <summary>
    /// Starts the span of a commit, in the trace of the first of its traced units, with links to all of them.
    /// </summary>
    /// <param name="units">The spans of the units; null for a unit that is not traced.</param>
    /// <param name="tag">The tag of the spans.</param>
    public static Activity? StartCommit(IEnumerable<Activity?> units, MessageTag? tag)
    {
        if (!Source.HasListeners())
            return null;
        var traced = units.OfType<Activity>().ToList();
        if (traced.Count == 0)
            return null;
        var span = Source.StartActivity("commit", ActivityKind.Internal, traced[0].Context,
            links: traced.Select(x => new ActivityLink(x.Context)));
        if (span == null || tag == null)
            return span;
        var ids = traced.SelectMany(x => Ids(x.GetTagItem(tag.Name))).Distinct().ToArray();
        span.SetTag(tag.Name, ids.Length == 1 ? ids[0] : ids);
        return span;
    }

    static IEnumerable<string> Ids(object? value) => value as IEnumerable<string> ?? (value is string id ? [id] : []);

    /// <summary>Ends a span that may be null.</summary>
    public static void End(this Activity? span, Exception? error)
    {
        if (span == null)
            return;
        if (error != null)
        {
            span.SetStatus(ActivityStatusCode.Error, error.Message);
            span.SetTag("error.type", error.GetType().Name);
        }

        span.Dispose();
    }

    static Activity? Start(string operation, ActivityKind kind, Destination destination, string type,
        ActivityContext parent)
    {
        var span = Source.StartActivity(kind, parent, name: $"{operation} {destination.Name.Value} {type}");
        if (span == null)
            return null;
        span.SetTag(destination.System.Key, destination.System.Value);
        span.SetTag(destination.Name.Key, destination.Name.Value);
        span.SetTag("messaging.operation.name", operation);
        span.SetTag("messaging.operation.type", operation);
        // An older convention, which .NET Aspire's dashboard shows instead of the name of the span.
        span.SetTag("messaging.operation", $"{operation} {type}");
        return span;
    }

    static bool IsRecorded(ActivityContext context) => (context.TraceFlags & ActivityTraceFlags.Recorded) != 0;

    static ActivityContext Parse(string? traceParent) =>
        traceParent != null && ActivityContext.TryParse(traceParent, null, isRemote: true, out var context)
            ? context : default;
}
