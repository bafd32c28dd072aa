using MassTransit;
using Messaging.Postgres;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client.Exceptions;

namespace Messaging.RabbitMq;

/// <summary>Logs every message that has failed for good and is moved to its endpoint's error queue.</summary>
/// <param name="moved">Learns that a message is moved.</param>
/// <param name="log">The log.</param>
/// <param name="tag">The object that messages concern, or null.</param>
sealed partial class FaultAlarm(MovedMessages moved, ILogger<FaultAlarm> log, MessageTag? tag = null) : IReceiveObserver
{
    readonly LogLimit _notAcknowledged = new(), _unreadable = new();

    public Task PreReceive(ReceiveContext context) => Task.CompletedTask;

    public Task PostReceive(ReceiveContext context) => Task.CompletedTask;

    public Task PostConsume<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType) where T : class =>
        Task.CompletedTask;

    public Task ConsumeFault<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType, Exception exception)
        where T : class
    {
        if (context.TryGetPayload<IWarmUp>(out _))
            return Task.CompletedTask; // it is in no queue
        var queue = MovedFrom(context.ReceiveContext);
        using (log.Begin(context, tag, out var subject))
        {
            LogFault(exception, typeof(T).Name, subject, context.MessageId, queue);
            LogContent(context.Message);
        }

        return Task.CompletedTask;
    }

    public Task ReceiveFault(ReceiveContext context, Exception exception)
    {
        // If the connection or the channel is lost, the delivery is not in the error queue: the broker repeats it.
        var isLost = exception
            is OperationInterruptedException or OperationCanceledException or TransportUnavailableException;
        var queue = isLost ? context.QueueName() : MovedFrom(context);
        if (!(isLost ? _notAcknowledged : _unreadable).IsDue((queue, LogLimit.KindOf(exception)), out var count))
            return Task.CompletedTask;
        if (isLost)
            LogNotAcknowledged(queue, Reason.Of(exception), count);
        else
            LogUnreadable(exception, queue, count);
        return Task.CompletedTask;
    }

    /// <summary>Counts a message that is moved to the error queue of the queue that is returned.</summary>
    string MovedFrom(ReceiveContext context)
    {
        var queue = context.QueueName();
        RabbitMetrics.MessageFailed(queue);
        moved.Report();
        return queue;
    }

    [LoggerMessage(Level = LogLevel.Critical, Message =
        "{MessageType} of {Subject} has failed for good and is in the error queue of {Queue}. It had no effect. Remove "
        + "the cause, then move message {MessageId} from {Queue}_error back to {Queue}")]
    partial void LogFault(Exception error, string messageType, string subject, Guid? messageId, string queue);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The content of the failed message: {Content}")]
    partial void LogContent(object content);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The connection to the broker was lost while messages of {Queue} were handled. They are delivered again, and "
        + "have no second effect: {Reason}. Messages since the last such line: {Count}")]
    partial void LogNotAcknowledged(string queue, string reason, int count);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "A message of {Queue} could not be read and is in the queue {Queue}_error. Find out which program sends it, "
        + "and remove it there. Such messages since the last such line: {Count}")]
    partial void LogUnreadable(Exception error, string queue, int count);
}
