using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Claims and sends whatever is due in the outbox: what a crash left between commit and send, what could not be sent
/// before, and scheduled messages whose time has come. Runs in every replica; needs no leader.
/// </summary>
sealed partial class OutboxRecovery<TDbContext>(
    OutboxStore<TDbContext> store,
    OutboxSender<TDbContext> sender,
    OutboxOptions<TDbContext> options,
    ILogger<OutboxRecovery<TDbContext>> log) : BackgroundService
    where TDbContext : DbContext
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.Deliver)
            return;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (sender.BrokerIsThere && await SendDue(stoppingToken).ConfigureAwait(false) == options.QueryMessageLimit)
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

    async Task<int> SendDue(CancellationToken cancellationToken)
    {
        var claimed = await store.Claim(cancellationToken).ConfigureAwait(false);
        await Task.WhenAll(claimed.Select(m => sender.SendClaimed(m, cancellationToken))).ConfigureAwait(false);
        return claimed.Count;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The outbox could not be searched for messages that are due; trying again")]
    partial void LogFailed(Exception error);
}
