using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Deletes the rows of messages that the broker has confirmed, five times a second, and counts the heartbeats of this
/// replica, which owns the others. Begins before the bus, and ends after it.
/// </summary>
sealed partial class OutboxCleanup<TDbContext>(MessageDispatcher<TDbContext> dispatcher,
    IOutboxRows<TDbContext> rows, OutboxOwner<TDbContext> owner, ILogger<OutboxCleanup<TDbContext>> log)
    : BackgroundService, IHostedLifecycleService
    where TDbContext : DbContext
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    readonly LogLimit _failures = new(), _silence = new(), _orphans = new();
    bool _isToldPhases;

    /// <summary>Before the bus, if the host tells; otherwise with it.</summary>
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        _isToldPhases = true;
        return Begin(cancellationToken);
    }

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!_isToldPhases)
            await Begin(cancellationToken).ConfigureAwait(false);
        await base.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override Task StopAsync(CancellationToken cancellationToken) =>
        _isToldPhases ? Task.CompletedTask : End(cancellationToken);

    /// <summary>After the bus, whose consumers have sent messages until now.</summary>
    public Task StoppedAsync(CancellationToken cancellationToken) => End(cancellationToken);

    /// <summary>
    /// Before anything is sent or scheduled, reads the database's clock, because this machine's may be minutes wrong,
    /// and registers this replica.
    /// </summary>
    async Task Begin(CancellationToken cancellationToken)
    {
        try
        {
            await rows.ReadClock(cancellationToken).ConfigureAwait(false);
            await owner.Heartbeat(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNotRegistered(Reason.Of(e));
        }
    }

    /// <summary>Leaves the messages that the broker has not confirmed by now to recovery.</summary>
    async Task End(CancellationToken cancellationToken)
    {
        await dispatcher.Stop().ConfigureAwait(false);
        await base.StopAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await dispatcher.DeleteConfirmed(cancellationToken).ConfigureAwait(false);
            await owner.Retire(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            LogNotRetired(Reason.Unexpected(e), Reason.Of(e));
        }
    }

    /// <summary>Each by itself: a slow statement of one must not delay the heartbeats.</summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        Repeat(DeleteAndRelease, Pause, _failures, LogFailed, LogEnded, stoppingToken),
        Repeat(owner.Heartbeat, owner.HeartbeatInterval, _silence, LogSilent, LogHeard, stoppingToken),
        Repeat(owner.AdoptOrphans, owner.HeartbeatInterval, _orphans, LogNotAdopted, LogAdoptedAgain, stoppingToken));

    async Task DeleteAndRelease(CancellationToken cancellationToken)
    {
        await dispatcher.DeleteConfirmed(cancellationToken).ConfigureAwait(false);
        await owner.WriteReleases(cancellationToken).ConfigureAwait(false);
    }

    static async Task Repeat(Func<CancellationToken, Task> work, TimeSpan pause, LogLimit failures,
        Action<Exception?, string, int> logFailed, Action<TimeSpan> logEnded, CancellationToken stoppingToken)
    {
        while (true)
        {
            await Task.Delay(pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stoppingToken.IsCancellationRequested)
                return;
            try
            {
                await work(CancellationToken.None).ConfigureAwait(false);
                if (failures.HasEnded(out var duration))
                    logEnded(duration);
            }
            catch (Exception e)
            {
                if (failures.IsDue(e, out var count))
                    logFailed(Reason.Unexpected(e), Reason.Of(e), count);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "This replica cannot read the database's clock, or register itself. Until it can, the times of messages and "
        + "timeouts follow this machine's clock, and other replicas may send its messages again: {Reason}")]
    partial void LogNotRegistered(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The last messages of this replica are left in the outbox. Others find after some seconds that it has ended, "
        + "and send them, also those that the broker has confirmed: {Reason}")]
    partial void LogNotRetired(Exception? error, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "This replica cannot tell the others that it lives. They may send its messages again, which has no second "
        + "effect. Check the database: {Reason}. Failures since the last such line: {Count}")]
    partial void LogSilent(Exception? error, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "This replica tells the others again that it lives, after {Duration}")]
    partial void LogHeard(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The outbox cannot be searched for messages that nobody sends: those of replicas that have ended wait. Check "
        + "the database: {Reason}. Failures since the last such line: {Count}")]
    partial void LogNotAdopted(Exception? error, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The outbox is searched again for messages that nobody sends, after {Duration}")]
    partial void LogAdoptedAgain(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Messages that the broker has confirmed cannot be deleted from the outbox, or those that could not be sent are "
        + "not released. They are sent later, or twice, which has no second effect. Check the database: {Reason}. "
        + "Failures since the last such line: {Count}")]
    partial void LogFailed(Exception? error, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Confirmed messages are deleted from the outbox again, after {Duration}")]
    partial void LogEnded(TimeSpan duration);
}
