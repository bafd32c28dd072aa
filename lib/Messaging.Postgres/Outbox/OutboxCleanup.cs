using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>Deletes the rows of messages that the broker has confirmed, five times a second.</summary>
sealed partial class OutboxCleanup<TDbContext>(MessageDispatcher<TDbContext> dispatcher,
    ILogger<OutboxCleanup<TDbContext>> log)
    : BackgroundService
    where TDbContext : DbContext
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    readonly LogLimit _failures = new();

    /// <summary>Leaves the messages that the broker has not confirmed by now to recovery.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await dispatcher.Stop().ConfigureAwait(false);
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(Pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                await dispatcher.DeleteConfirmed(CancellationToken.None).ConfigureAwait(false);
                if (_failures.HasEnded(out var duration))
                    LogEnded(duration);
            }
            catch (Exception e)
            {
                if (_failures.IsDue(e, out var count))
                    LogFailed(Reason.Unexpected(e), Reason.Of(e), count);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Messages that the broker has confirmed cannot be deleted from the outbox. They may be sent twice, which has "
        + "no second effect. Check the database: {Reason}. Failures since the last such line: {Count}")]
    partial void LogFailed(Exception? error, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Confirmed messages are deleted from the outbox again, after {Duration}")]
    partial void LogEnded(TimeSpan duration);
}
