using Messaging.Postgres.Observability;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// Reports holds that nobody captures or releases: Order does not know their orders, or it is down. They keep their
/// funds until somebody decides about them.
/// </summary>
sealed partial class OldHolds(PrimaryDatabase database, IOptions<FundsOptions> options, ILogger<OldHolds> log)
    : BackgroundService
{
    static readonly TimeSpan MaxInterval = TimeSpan.FromMinutes(1);

    readonly LogLimit _old = new(), _failures = new();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var age = options.Value.MaxHoldAge;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ReportAsync(age, stoppingToken);
                if (_failures.HasEnded(out var duration))
                    LogCounted(duration);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                if (_failures.IsDue(e, out var count))
                    LogFailed(Reason.Of(e), count);
            }

            await Task.Delay(age < MaxInterval ? age : MaxInterval, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task ReportAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        await using var command = database.Pool.CreateCommand("""
            select count(*) over (), order_id, create_time from reservations
            where status = 'Held' and create_time < now() - $1 order by create_time limit 1
            """);
        command.Parameters.Add(new() { Value = age });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken))
        {
            if (_old.HasEnded(out var duration))
                LogNoneOld(age, duration);
        }
        else if (_old.IsDue(nameof(LogOld), out _))
        {
            LogOld(row.GetInt64(0), age, row.GetGuid(1), row.GetDateTime(2));
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "{Count} holds are older than {Age}, and Order has asked neither to capture nor to release them. "
        + "Check that Order runs and knows their orders. The oldest: order {OrderId}, held since {Since:O}")]
    partial void LogOld(long count, TimeSpan age, Guid orderId, DateTime since);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "No hold is older than {Age} any more, after {Duration}")]
    partial void LogNoneOld(TimeSpan age, TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message = "It cannot be found out whether there are old holds, which "
        + "Order may have forgotten; check the database: {Reason}. Failures since the last such line: {Count}")]
    partial void LogFailed(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "Old holds are counted again, after {Duration}")]
    partial void LogCounted(TimeSpan duration);
}
