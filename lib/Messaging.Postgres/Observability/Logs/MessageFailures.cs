using MassTransit;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Observability;

/// <summary>
/// Logs attempts to handle a message that have failed for a reason that passes. A message that has failed for good is
/// reported by the transport.
/// </summary>
sealed partial class MessageFailures<TDbContext>(OutboxOptions<TDbContext> options, TimeProvider time,
    ILogger<MessageFailures<TDbContext>> log)
    where TDbContext : DbContext
{
    readonly LogLimit _conflicts = new(time), _unavailable = new(time, LogLimit.ForConcurrentTasks);

    /// <summary>An attempt has failed and had no effect.</summary>
    public void Failed<T>(ConsumeContext<T> context, Exception error) where T : class
    {
        var isUnavailable = PostgresErrors.IsUnavailable(error);
        if (!isUnavailable && !PostgresErrors.IsConflict(error))
            return;
        var queue = Destination.Of(context.ReceiveContext.InputAddress).Name.Value as string;
        var limit = isUnavailable ? _unavailable : _conflicts;
        if (!limit.IsDue((queue, LogLimit.KindOf(error)), out var count))
            return;
        using (log.Begin(context, options.MessageTag, out var subject))
            if (isUnavailable)
                LogUnavailable(typeof(T).Name, subject, queue, Reason.Of(error), count);
            else
                LogConflict(typeof(T).Name, subject, queue, Reason.Of(error), count);
    }

    /// <summary>A message was handled.</summary>
    public void Succeeded()
    {
        if (_unavailable.HasEnded(out var duration))
            LogAvailable(duration);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "{MessageType} of {Subject} from {Queue} could not be handled, because the database, or a row that another "
        + "transaction locks, is unavailable. It had no effect, and is tried again: {Reason}. "
        + "Failures since the last such line: {Count}")]
    partial void LogUnavailable(string messageType, string subject, string? queue, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Messages are handled again, after the database or a row was unavailable for {Duration}")]
    partial void LogAvailable(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "{MessageType} of {Subject} from {Queue} has met a concurrent change of the same rows, which is normal now and "
        + "then. It had no effect, and is tried again: {Reason}. Conflicts since the last such line: {Count}")]
    partial void LogConflict(string messageType, string subject, string? queue, string reason, int count);
}
