using System.Text.Json;
using MassTransit;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;

namespace Messaging.RabbitMq;

/// <summary>
/// Logs and counts every message that no consumer of its endpoint handles, before it is moved to the queue _skipped.
/// </summary>
sealed partial class SkippedMessageAlarm(MovedMessages moved, ILogger<SkippedMessageAlarm> log)
    : IFilter<ReceiveContext>
{
    readonly LogLimit _limit = new();

    public Task Send(ReceiveContext context, IPipe<ReceiveContext> next)
    {
        var queue = context.QueueName();
        RabbitMetrics.MessageSkipped(queue);
        moved.Report();
        var type = TypeOf(context);
        if (_limit.IsDue((queue, type), out var count))
            LogSkipped(type, queue, context.GetMessageId()?.ToString() ?? "none", count);
        return next.Send(context);
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("skippedMessageAlarm");

    /// <summary>The message type in MassTransit's envelope; a body without an envelope has none.</summary>
    static string TypeOf(ReceiveContext context)
    {
        try
        {
            using var envelope = JsonDocument.Parse(context.GetBody());
            return envelope.RootElement.TryGetProperty("messageType", out var types)
                ? string.Join(", ", types.EnumerateArray().Select(x => x.GetString())) : "unknown";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return "unknown";
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A message of type {MessageType} is not handled by any "
        + "consumer of {Queue}, and is moved to {Queue}_skipped. It had no effect. Check which service sends it; its "
        + "id is {MessageId}. Such messages since the last such line: {Count}")]
    partial void LogSkipped(string messageType, string queue, string messageId, int count);
}
