namespace Saga.Twin;

/// <summary>Deletes the outbox rows of confirmed messages when no other transaction does.</summary>
sealed class OutboxCleanup(Outbox outbox) : BackgroundService
{
    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            if (outbox.HasConfirmed)
                await outbox.CommitAsync(null);
    }
}
