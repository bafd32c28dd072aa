using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Sends the messages of the outbox that are due: those that a crash left between commit and send, those that could
/// not be sent before, and scheduled messages. Runs in every replica, without a leader.
/// </summary>
sealed partial class OutboxRecovery<TDbContext>(
    MessageDispatcher<TDbContext> dispatcher,
    OutboxOptions<TDbContext> options,
    OutboxNotification notification,
    TimeProvider time,
    ILogger<OutboxRecovery<TDbContext>> log) : BackgroundService
    where TDbContext : DbContext
{
    readonly LogLimit _failures = new(time, LogLimit.ForConcurrentTasks);

    /// <summary>
    /// Messages that were refused before are sent one by one, separately from the others: the broker may close the
    /// channel because of such a message, and every other message on the channel fails with it.
    /// </summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => options.Deliver
        ? Task.WhenAll(Poll(retries: false, options.QueryMessageLimit, stoppingToken),
            Poll(retries: true, 1, stoppingToken))
        : Task.CompletedTask;

    async Task Poll(bool retries, int limit, CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var notified = notification.Next;
            try
            {
                while (await dispatcher.DispatchDue(retries, stoppingToken).ConfigureAwait(false) == limit)
                {
                }

                if (_failures.HasEnded(out var duration))
                    LogEnded(duration);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (_failures.IsDue(e, out var count))
                    LogFailed(Reason.Unexpected(e), options.QueryDelay, Reason.Of(e), count);
            }

            await notified.WaitAsync(options.QueryDelay, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The outbox cannot be searched for messages that are due: scheduled ones, and those that could not be sent "
        + "before. They wait, and the search is repeated every {Pause}. Check the database: {Reason}. "
        + "Failures since the last such line: {Count}")]
    partial void LogFailed(Exception? error, TimeSpan pause, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The outbox is searched for due messages again, after {Duration}")]
    partial void LogEnded(TimeSpan duration);
}
