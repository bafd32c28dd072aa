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
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogFailed(e);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Old rows of the inbox could not be deleted; retrying in one second")]
    partial void LogFailed(Exception error);
}
