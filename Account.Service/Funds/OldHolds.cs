using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Accounts;

/// <summary>
/// Reports holds that nobody captures or releases: Order does not know their orders, or it is down. They keep their
/// funds until somebody decides about them.
/// </summary>
sealed partial class OldHolds(NpgsqlDataSource database, IOptions<FundsOptions> options, ILogger<OldHolds> log)
    : BackgroundService
{
    static readonly TimeSpan MaxInterval = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var age = options.Value.MaxHoldAge;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ReportAsync(age, stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(e.Message);
            }

            await Task.Delay(age < MaxInterval ? age : MaxInterval, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task ReportAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            select count(*) over (), order_id, create_time from reservations
            where status = 'Held' and create_time < now() - $1 order by create_time limit 1
            """);
        command.Parameters.Add(new() { Value = age });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        if (await row.ReadAsync(cancellationToken))
            LogOld(row.GetInt64(0), age, row.GetGuid(1), row.GetDateTime(2));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "{Count} holds are older than {Age}, and Order has asked neither to capture nor to release them. "
        + "Check that Order runs and knows their orders. The oldest: order {OrderId}, held since {Since:O}")]
    partial void LogOld(long count, TimeSpan age, Guid orderId, DateTime since);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Old holds could not be counted; the next count is in a minute at most: {Reason}")]
    partial void LogFailed(string reason);
}
