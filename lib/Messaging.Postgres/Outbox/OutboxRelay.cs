using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Sends what was committed outside a consumer, at once, and deletes the rows of everything that the broker has confirmed.
/// Holds no promise of its own: what it loses in a crash, recovery finds in the table.
/// </summary>
sealed partial class OutboxRelay<TDbContext>(
    OutboxSender<TDbContext> sender,
    OutboxOptions<TDbContext> options,
    ILogger<OutboxRelay<TDbContext>> log) : BackgroundService
    where TDbContext : DbContext
{
    static readonly TimeSpan DeletePause = TimeSpan.FromMilliseconds(200);

    readonly SemaphoreSlim _room = new(20_000);
    readonly CancellationTokenSource _stopping = new();

    /// <summary>Takes over messages whose commit has succeeded. Never waits: those for which there is no room are left to recovery.</summary>
    public void Post(IEnumerable<OutboxMessage> committed)
    {
        if (!options.Deliver)
            return;
        foreach (var message in committed)
            if (!message.IsDelayed && _room.Wait(0))
                _ = Send(message); // its failure is logged, and the message left in its row
    }

    async Task Send(OutboxMessage message)
    {
        try
        {
            await sender.SendAll([message], _stopping.Token).ConfigureAwait(false);
            FaultInjection.Reach(FaultPoint.InRelay);
        }
        finally
        {
            _room.Release();
        }
    }

    /// <summary>What the broker has not confirmed by now is left to recovery.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(DeletePause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                await sender.DeleteConfirmed(CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                LogDeleteFailed(e);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Rows of sent messages could not be deleted yet")]
    partial void LogDeleteFailed(Exception error);
}
