using System.Diagnostics.Metrics;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>
/// Moves what is finished to the archive, in small transactions: the function <c>archive_finished</c> of the service's
/// database. It works a tenth of the time, so that orders hardly notice it.
/// </summary>
sealed partial class Archiver(PrimaryDatabase database, IOptions<ArchiveOptions> options, TimeProvider time,
    ILogger<Archiver> log) : BackgroundService
{
    const int PausePerWork = 9;

    static readonly Meter Meter = new(RpcMetrics.MeterName);

    static readonly Counter<long> Moved = Meter.CreateCounter<long>("archive.moved", "{row}",
        "Orders or reservations that were moved to the archive");

    readonly LogLimit _failures = new(time);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Value.After is not { } age)
            return;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await MoveAllAsync(age, stoppingToken);
                if (_failures.HasEnded(out var duration))
                    LogWorks(duration);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                if (_failures.IsDue(e, out var count))
                    LogFailed(Reason.Of(e), count);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await Task.Delay(options.Value.Interval, time, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task MoveAllAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        var total = 0L;
        for (Guid? last = Guid.Empty; last is { } after;)
        {
            var began = time.GetTimestamp();
            (var moved, last) = await MoveAsync(age, after, cancellationToken);
            total += moved;
            Moved.Add(moved);
            await Task.Delay(time.GetElapsedTime(began) * PausePerWork, time, cancellationToken);
        }

        if (total > 0)
            LogMoved(total, age);
    }

    async Task<(int Moved, Guid? Last)> MoveAsync(TimeSpan age, Guid after, CancellationToken cancellationToken)
    {
        await using var command = database.Pool.CreateCommand(
            "select moved, last_id from archive_finished(now() - $1, $2, $3)");
        command.Parameters.Add(new() { Value = age });
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = options.Value.BatchSize });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return (row.GetInt32(0), row.IsDBNull(1) ? null : row.GetGuid(1));
    }

    [LoggerMessage(Level = LogLevel.Information, Message =
        "{Count} finished orders or reservations without a change for {Age} have moved to the archive")]
    partial void LogMoved(long count, TimeSpan age);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Finished orders or reservations cannot be archived. They stay "
        + "where they are, and it is tried again; check the database: {Reason}. Failures since the last such line: "
        + "{Count}")]
    partial void LogFailed(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Finished orders or reservations are archived again, after {Duration}")]
    partial void LogWorks(TimeSpan duration);
}
