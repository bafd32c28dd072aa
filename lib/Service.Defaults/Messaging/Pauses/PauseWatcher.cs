using Messaging.Postgres.Observability;
using Messaging.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// Reads each second which queues are paused, and stops or starts their consumption in this process. While they cannot
/// be read, nothing changes.
/// </summary>
sealed partial class PauseWatcher<TDbContext>(IServiceScopeFactory scopes, QueuePauses pauses,
    ILogger<PauseWatcher<TDbContext>> log) : BackgroundService where TDbContext : DbContext
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    readonly LogLimit _failures = new();
    readonly SemaphoreSlim _reading = new(1); // an older reading must not apply after a newer one

    /// <summary>Reads the pauses before the bus starts, so that it does not begin with what is paused.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await TryReadAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(Interval, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await TryReadAsync(stoppingToken);
        }
    }

    async Task TryReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            await ReadAsync(cancellationToken);
            if (_failures.HasEnded(out var duration))
                LogWorks(duration);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            if (!cancellationToken.IsCancellationRequested && _failures.IsDue(e, out var count))
                LogFailed(Reason.Of(e), count);
        }
    }

    /// <summary>Reads the pauses, and completes when they apply in this process.</summary>
    public async Task ReadAsync(CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            await ApplyAsync(cancellationToken);
        }
        finally
        {
            _reading.Release();
        }
    }

    async Task ApplyAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var rows = await scope.ServiceProvider.GetRequiredService<TDbContext>().Set<PausedQueue>().AsNoTracking()
            .ToListAsync(cancellationToken);
        foreach (var row in rows.Where(x => !pauses.IsPaused(x.Name)))
            LogPaused(row.Name, row.Operator, row.PauseTime, row.Reason);
        foreach (var queue in pauses.Paused.Except(rows.Select(x => x.Name)))
            LogResumed(queue);
        await pauses.SetAsync(rows.Select(x => x.Name));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The queue {Queue} is paused: an operator has stopped its consumption at {Time:O}, and its messages wait until "
        + "it is resumed. Run ops queues to see who and why")]
    partial void LogPaused(
        string queue, [PersonalData] string @operator, DateTime time, [PersonalData] string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "The queue {Queue} is consumed again: its pause has ended")]
    partial void LogResumed(string queue);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The pauses of queues cannot be read, or do not apply yet; it is tried again each second: {Reason}. "
        + "Failures since the last such line: {Count}")]
    partial void LogFailed(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "The pauses of queues are read again, after {Duration}")]
    partial void LogWorks(TimeSpan duration);
}
