using MassTransit;
using MassTransit.Middleware.Rescue;
using MassTransit.Transports;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;

namespace Messaging.RabbitMq;

/// <summary>
/// Moves every message of a sender who is not accepted to the error queue, with an alarm, before anything reads it.
/// </summary>
sealed partial class SenderCheck(MessageSenders senders, MovedMessages moved, ILogger<SenderCheck> log)
    : IFilter<ReceiveContext>
{
    readonly LogLimit _limit = new();

    public Task Send(ReceiveContext context, IPipe<ReceiveContext> next)
    {
        if (!context.TryGetPayload<RabbitMqBasicConsumeContext>(out var received))
            return next.Send(context); // of the warm-up, within this process
        var sender = MessageSenders.Of(received.Properties);
        return senders.Accepts(sender) ? next.Send(context) : RejectAsync(context, sender);
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("senderCheck");

    Task RejectAsync(ReceiveContext context, string? sender)
    {
        var queue = context.QueueName();
        RabbitMetrics.MessageUntrusted(queue);
        moved.Report();
        if (_limit.IsDue((queue, sender), out var count))
            LogRejected(queue, sender ?? "nobody", context.GetMessageId()?.ToString() ?? "none", count);
        // Not by an exception: MassTransit would send a fault to the address that the message names.
        return context.GetPayload<IErrorTransport>().Send(
            new RescueExceptionReceiveContext(context, new UntrustedSenderException(sender)));
    }

    [LoggerMessage(Level = LogLevel.Critical, Message =
        "A message of {Queue} is signed by {Sender}, whose messages are not accepted, and is moved to {Queue}_error. "
        + "It had no effect. Find out who has sent it; its id is {MessageId}. If that is the other service, add its "
        + "user to Messaging:Senders. Such messages since the last such line: {Count}")]
    partial void LogRejected(string queue, string sender, string messageId, int count);
}
