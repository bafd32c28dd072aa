using Grpc.Core;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Orders;

/// <summary>
/// Refuses orders while too much is under way: what is accepted ends soon, and what is refused has cost next to nothing.
/// Counts what this replica has admitted since it last looked at the database: twice a second, and sooner while that is much, or calls are refused.
/// </summary>
sealed partial class AdmissionControl(NpgsqlDataSource database, IOptions<AdmissionOptions> options, TimeProvider time, ILogger<AdmissionControl> log) : BackgroundService
{
    static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan MaxPause = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan AgePause = TimeSpan.FromSeconds(5); // the oldest message is dearer to find, and minutes are what matters
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);
    static readonly TimeSpan RefusedLogPause = TimeSpan.FromSeconds(10);
    static readonly TimeSpan StuckLogPause = TimeSpan.FromMinutes(1);

    readonly OpenOrderCounter _orders = new(options.Value.MaxOpenOrders, RejectionOf(options.Value.MaxOpenOrders, options.Value));

    /// <summary>Admits the call that makes an order until what is returned is disposed.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED, with when to come again.</exception>
    public OpenOrderCounter.Call Admit(Guid orderId) => _orders.Admit(orderId, out var refusal) ?? throw refusal!.ToException();

    /// <summary>How a call is refused now, which is counted; null if it may be admitted.</summary>
    public Rejection? FindRejection() => _orders.FindRejection();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var calm = TimeSpan.FromSeconds(Math.Max(1, 2 * options.Value.RetryDelay.TotalSeconds)); // who is refused comes again within it
        var queue = new OverloadDetector(options.Value.MaxStandingOrders, calm, time);
        var (unsent, aged) = (TimeSpan.Zero, (long?)null);
        var total = 0L;
        long? refusedLogged = null, stuckLogged = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (aged == null || time.GetElapsedTime(aged.Value) >= AgePause)
                    (unsent, aged) = (await FindUnsentAge(stoppingToken), time.GetTimestamp());

                var look = _orders.BeginLook();
                var (open, stuck) = await CountOpen(look.InFlight, stoppingToken);
                var before = total;
                total = open + look.InFlight.Length;
                // Where other replicas admit orders too, it may seem that none have ended: while their number grows, which is no queue that stands.
                var stands = queue.Stands(total - stuck, haveEnded: total < before + look.Admitted, wereRefused: look.Refused > 0);
                var limit = stands ? (int)Math.Min(options.Value.MaxOpenOrders, options.Value.MaxStandingOrders + stuck) : options.Value.MaxOpenOrders;
                if (unsent > options.Value.MaxUnsentAge)
                    _orders.EndLook(look, open, 0, new($"messages have waited for the broker for {unsent:c}; try again later", options.Value.RetryDelay));
                else
                    _orders.EndLook(look, open, limit, RejectionOf(limit, options.Value));

                if (look.Refused > 0 && HasPassed(RefusedLogPause, ref refusedLogged))
                    LogRefused(total, limit, unsent);
                if (stuck > 0 && HasPassed(StuckLogPause, ref stuckLogged))
                    LogStuck(stuck, MaxWait);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogNotRead(e.Message);
                await Task.Delay(MaxPause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            var looked = time.GetTimestamp();
            do
                await Task.Delay(ShortestPause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            while (!_orders.IsLookDue && time.GetElapsedTime(looked) < MaxPause && !stoppingToken.IsCancellationRequested);
        }
    }

    /// <summary>Whether it was so long ago when this was true last, or never was.</summary>
    bool HasPassed(TimeSpan pause, ref long? last)
    {
        if (last != null && time.GetElapsedTime(last.Value) < pause)
            return false;
        last = time.GetTimestamp();
        return true;
    }

    /// <returns>How many orders are open, and how many of these are too old to be in a queue.</returns>
    async Task<(long Open, long Stuck)> CountOpen(Guid[] except, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            select count(*), count(*) filter (where create_time < $3)
            from (select create_time from orders where {OrderStateMap.IsOpen} and order_id <> all ($1) limit $2) as o
            """);
        command.Parameters.Add(new() { Value = except });
        command.Parameters.Add(new() { Value = options.Value.MaxOpenOrders });
        command.Parameters.Add(new() { Value = time.GetUtcNow().UtcDateTime - MaxWait });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return (row.GetInt64(0), row.GetInt64(1));
    }

    /// <summary>Of messages that wait for the broker: one that is refused for a reason of its own holds up nobody.</summary>
    async Task<TimeSpan> FindUnsentAge(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "select coalesce(now() - min(sent_time), '0') from outbox_message where token_id is null and parked is null and attempts = 0");
        return (TimeSpan)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    static Rejection RejectionOf(int limit, AdmissionOptions options) =>
        new($"{limit} orders are under way, which is the most; try again later", options.RetryDelay);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Orders are refused: {Open} of at most {Limit} are under way, and the oldest unsent message has waited for {Unsent}")]
    partial void LogRefused(long open, int limit, TimeSpan unsent);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Stuck} orders have been open for more than {Wait}: the broker or the other service is away, or has failed for them")]
    partial void LogStuck(long stuck, TimeSpan wait);

    [LoggerMessage(Level = LogLevel.Warning, Message = "How much is under way could not be read: {Reason}")]
    partial void LogNotRead(string reason);
}
