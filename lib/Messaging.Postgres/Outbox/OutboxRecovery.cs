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
    IOutboxRows<TDbContext> rows,
    OutboxOptions<TDbContext> options,
    OutboxNotification notification,
    ILogger<OutboxRecovery<TDbContext>> log) : BackgroundService
    where TDbContext : DbContext
{
    /// <summary>
    /// Reads the database's clock before anything is sent or scheduled: this machine's clock may be minutes wrong.
    /// </summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await rows.ReadClock(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNoClock(e);
        }

        await base.StartAsync(cancellationToken).ConfigureAwait(false);
    }

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
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogFailed(e, options.QueryDelay);
            }

            await notified.WaitAsync(options.QueryDelay, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The database's clock cannot be read; this machine's clock is used until it can")]
    partial void LogNoClock(Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The outbox cannot be searched for due messages; retrying in {Pause}")]
    partial void LogFailed(Exception error, TimeSpan pause);
}
