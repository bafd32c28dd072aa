using System.Diagnostics;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Observability;

/// <summary>
/// Adds to log lines the object that a message concerns, its trace and its queue. Only a line that is written costs
/// anything.
/// </summary>
static class MessageLog
{
    /// <summary>Begins the lines about a received message.</summary>
    /// <param name="log">The log.</param>
    /// <param name="context">The message.</param>
    /// <param name="tag">The object that messages concern, or null.</param>
    /// <param name="subject">What a line calls the object.</param>
    public static IDisposable? Begin<T>(this ILogger log, ConsumeContext<T> context, MessageTag? tag,
        out string subject)
        where T : class =>
        log.Begin(tag, tag?.ValueOf(context.Message),
            context.ReceiveContext.TransportHeaders.Get<string>(MessageSpans.Header), out subject);

    /// <summary>Begins the lines about a message of the outbox.</summary>
    /// <inheritdoc cref="Begin{T}(ILogger, ConsumeContext{T}, MessageTag, out string)" />
    public static IDisposable? Begin(this ILogger log, OutboxMessage message, MessageTag? tag, out string subject) =>
        log.Begin(tag, tag?.Find(message.Body), message.TraceParent, out subject);

    static IDisposable? Begin(this ILogger log, MessageTag? tag, object? value, string? traceParent,
        out string subject)
    {
        subject = tag?.Describe(value) ?? "no known object";
        var fields = new LogFields();
        if (tag != null)
            fields.Add(tag.Field, value);
        if (ActivityContext.TryParse(traceParent, null, out var trace)
            && trace.TraceId != Activity.Current?.TraceId) // the logger adds that of the current span
            fields.Add(LogFields.TraceId, trace.TraceId.ToString());
        return log.BeginScope(fields);
    }
}
