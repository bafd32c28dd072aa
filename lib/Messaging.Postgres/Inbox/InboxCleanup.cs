using Messaging.Postgres.Observability;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Inbox;

/// <summary>Deletes inbox rows that are older than the duplicate detection window, many per statement.</summary>
sealed partial class InboxCleanup<TDbContext>(
    OutboxStore<TDbContext> store,
    OutboxOptions<TDbContext> options,
    ILogger<InboxCleanup<TDbContext>> log) : BackgroundService
    where TDbContext : DbContext
{
    /// <summary>Short, so that rows are deleted about as evenly as they were inserted one window ago.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    readonly LogLimit _failures = new();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.CleanInbox)
            return;
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(Pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                while (!stoppingToken.IsCancellationRequested
                    && await store.Purge(stoppingToken).ConfigureAwait(false) == options.QueryMessageLimit)
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
                    LogFailed(Reason.Unexpected(e), Reason.Of(e), count);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Old rows of the inbox cannot be deleted. Its table grows meanwhile; orders are not affected. Check the "
        + "database: {Reason}. Failures since the last such line: {Count}")]
    partial void LogFailed(Exception? error, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Old rows of the inbox are deleted again, after {Duration}")]
    partial void LogEnded(TimeSpan duration);
}
