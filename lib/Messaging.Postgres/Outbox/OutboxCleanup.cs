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
            }
            catch (Exception e)
            {
                LogDeleteFailed(e);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The rows of sent messages could not be deleted from the outbox; retrying in 200 ms")]
    partial void LogDeleteFailed(Exception error);
}
