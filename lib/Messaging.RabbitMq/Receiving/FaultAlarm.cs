using MassTransit;
using Messaging.Postgres;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client.Exceptions;

namespace Messaging.RabbitMq;

/// <summary>Logs every message that has failed for good and is moved to its endpoint's error queue.</summary>
sealed partial class FaultAlarm(MovedMessages moved, ILogger<FaultAlarm> log) : IReceiveObserver
{
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
        LogFault(exception, typeof(T).Name, context.MessageId, context.Message, queue);
        return Task.CompletedTask;
    }

    public Task ReceiveFault(ReceiveContext context, Exception exception)
    {
        // If the connection or the channel is lost, the delivery is not in the error queue: the broker repeats it.
        if (exception is OperationInterruptedException or OperationCanceledException or TransportUnavailableException)
            LogNotAcknowledged(context.InputAddress.AbsolutePath, exception.Message);
        else
            LogUnreadable(exception, MovedFrom(context));
        return Task.CompletedTask;
    }

    /// <summary>Counts a message that is moved to the error queue of the queue that is returned.</summary>
    string MovedFrom(ReceiveContext context)
    {
        var queue = context.InputAddress.AbsolutePath.Split('/')[^1];
        RabbitMetrics.MessageFailed(queue);
        moved.Report();
        return queue;
    }

    [LoggerMessage(Level = LogLevel.Critical, Message =
        "{MessageType} {MessageId} has failed for good and is in the error queue of {Queue}: {Content}")]
    partial void LogFault(Exception error, string messageType, Guid? messageId, object content, string queue);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "A message of {Queue} could not be acknowledged; the broker delivers it again: {Reason}")]
    partial void LogNotAcknowledged(string queue, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "A message of {Queue} could not be read and is in the error queue")]
    partial void LogUnreadable(Exception error, string queue);
}
