using MassTransit;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client.Exceptions;

namespace Messaging.RabbitMq;

/// <summary>Says aloud that a message has failed for good and is in its endpoint's error queue.</summary>
sealed partial class FaultAlarm(ILogger<FaultAlarm> log) : IReceiveObserver
{
    public Task PreReceive(ReceiveContext context) => Task.CompletedTask;

    public Task PostReceive(ReceiveContext context) => Task.CompletedTask;

    public Task PostConsume<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType) where T : class => Task.CompletedTask;

    public Task ConsumeFault<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType, Exception exception) where T : class
    {
        LogFault(exception, typeof(T).Name, context.MessageId, context.Message, context.ReceiveContext.InputAddress.AbsolutePath);
        return Task.CompletedTask;
    }

    public Task ReceiveFault(ReceiveContext context, Exception exception)
    {
        // Not handled because the connection or the channel went away, or not acknowledged on it: neither is in the error queue.
        if (exception is OperationInterruptedException or OperationCanceledException or TransportUnavailableException)
            LogNotAcknowledged(context.InputAddress.AbsolutePath, exception.Message);
        else
            LogUnreadable(exception, context.InputAddress.AbsolutePath);
        return Task.CompletedTask;
    }

    [LoggerMessage(Level = LogLevel.Critical,
        Message = "{MessageType} {MessageId} has failed for good and is in the error queue of {Queue}: {Content}")]
    partial void LogFault(Exception error, string messageType, Guid? messageId, object content, string queue);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "A delivery of {Queue} could not be acknowledged, the broker will deliver it again: {Reason}")]
    partial void LogNotAcknowledged(string queue, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A delivery of {Queue} has failed and is in its error queue")]
    partial void LogUnreadable(Exception error, string queue);
}
