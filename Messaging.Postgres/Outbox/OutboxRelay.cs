using System.Threading.Channels;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Sends what was committed outside a consumer, at once and many at a time, and deletes the rows of everything that
/// the broker has confirmed. Holds no promise of its own: what it loses in a crash, recovery finds in the table.
/// </summary>
sealed partial class OutboxRelay<TDbContext>(
    OutboxSender<TDbContext> sender,
    OutboxOptions<TDbContext> options,
    ILogger<OutboxRelay<TDbContext>> log) : BackgroundService
    where TDbContext : DbContext
{
    const int Lanes = 4;
    static readonly TimeSpan DeletePause = TimeSpan.FromMilliseconds(200);

    // A full channel drops the hand-over, not the message: its row is there.
    readonly Channel<OutboxMessage> _committed = Channel.CreateBounded<OutboxMessage>(
        new BoundedChannelOptions(20_000) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Takes over messages whose commit has succeeded. Never waits.</summary>
    public void Post(IEnumerable<OutboxMessage> committed)
    {
        if (!options.Deliver)
            return;
        foreach (var message in committed)
            if (!message.IsDelayed)
                _committed.Writer.TryWrite(message);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll([DeleteConfirmed(stoppingToken), .. Enumerable.Range(0, Lanes).Select(_ => Send(stoppingToken))]);

    async Task Send(CancellationToken stoppingToken)
    {
        var limit = Math.Max(1, options.MessageDeliveryLimit / Lanes);
        var batch = new List<OutboxMessage>(limit);
        while (await _committed.Reader.WaitToReadAsync(stoppingToken).ConfigureAwait(false))
        {
            batch.Clear();
            while (batch.Count < limit && _committed.Reader.TryRead(out var message))
                batch.Add(message);
            await sender.SendAll(batch, stoppingToken).ConfigureAwait(false);
            FaultPoint.Reach(FaultPoint.InRelay);
        }
    }

    async Task DeleteConfirmed(CancellationToken stoppingToken)
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
