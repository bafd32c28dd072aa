using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Claims and sends whatever is due in the outbox: what a crash left between commit and send, what could not be sent
/// before, and scheduled messages whose time has come. Runs in every replica; needs no leader.
/// </summary>
sealed partial class OutboxRecovery<TDbContext>(
    OutboxSender<TDbContext> sender,
    IOutboxRows<TDbContext> rows,
    OutboxOptions<TDbContext> options,
    ILogger<OutboxRecovery<TDbContext>> log) : BackgroundService
    where TDbContext : DbContext
{
    /// <summary>Before anything is sent or scheduled: this machine's clock may be minutes off.</summary>
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
    /// Messages that were refused before are sent one by one, beside the others: a broker may close the channel on
    /// them, and what is under way on it at that moment fails with them.
    /// </summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => options.Deliver
        ? Task.WhenAll(Run(suspects: false, options.QueryMessageLimit, stoppingToken), Run(suspects: true, 1, stoppingToken))
        : Task.CompletedTask;

    async Task Run(bool suspects, int full, CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await sender.SendDue(suspects, stoppingToken).ConfigureAwait(false) == full)
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

            await Task.Delay(options.QueryDelay, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database's time could not be read yet; until then this machine's is taken for it")]
    partial void LogNoClock(Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The outbox could not be searched for messages that are due; trying again")]
    partial void LogFailed(Exception error);
}
