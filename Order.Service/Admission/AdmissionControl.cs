using Microsoft.Extensions.Options;

namespace Orders;

/// <summary>
/// Limits the number of open orders, so that accepted orders finish soon and rejected calls cost next to nothing.
/// Each replica adds its own recent orders to the last snapshot of the database. It takes a snapshot twice a second,
/// and more often while calls are rejected or many orders are committed.
/// </summary>
sealed partial class AdmissionControl(
    AdmissionQueries queries,
    IOptions<AdmissionOptions> options,
    TimeProvider time,
    ILogger<AdmissionControl> log) : BackgroundService
{
    static readonly TimeSpan MinSnapshotInterval = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan MaxSnapshotInterval = TimeSpan.FromMilliseconds(500);

    // The oldest unsent message is more expensive to find than the open orders, and its limit is in minutes.
    static readonly TimeSpan UnsentAgeInterval = TimeSpan.FromSeconds(5);

    // An order that has been open for longer is not waiting in a queue; it is stuck for another reason.
    static readonly TimeSpan StuckAge = TimeSpan.FromSeconds(30);

    static readonly TimeSpan RejectedLogInterval = TimeSpan.FromSeconds(10);
    static readonly TimeSpan StuckLogInterval = TimeSpan.FromMinutes(1);

    readonly AdmissionOptions _options = options.Value;
    readonly OpenOrderCounter _orders = new(options.Value.MaxOpenOrders,
        TooManyOrders(options.Value.MaxOpenOrders, options.Value.RetryDelay));
    readonly OverloadDetector _overload = new(options.Value.MaxStandingOrders,
        QuietPeriod(options.Value.RetryDelay), time);

    TimeSpan _unsentAge;
    long? _unsentAgeRead, _rejectedLogged, _stuckLogged; // timestamps
    long _lastTotal;

    /// <summary>Admits a CreateOrder call until the returned call is disposed, or returns null.</summary>
    /// <param name="orderId">The order that the call will create.</param>
    /// <param name="rejection">The error for a call that is not admitted.</param>
    public OpenOrderCounter.Call? Admit(Guid orderId, out Rejection? rejection) =>
        _orders.Admit(orderId, out rejection);

    /// <summary>Returns and counts the rejection of a call, or returns null if a call can be admitted.</summary>
    public Rejection? FindRejection() => _orders.FindRejection();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await UpdateCountAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogSnapshotFailed(e.Message);
                await Delay(MaxSnapshotInterval);
            }

            var snapshotTaken = time.GetTimestamp();
            do
                await Delay(MinSnapshotInterval);
            while (!_orders.IsSnapshotDue && time.GetElapsedTime(snapshotTaken) < MaxSnapshotInterval
                && !stoppingToken.IsCancellationRequested);
        }

        async Task Delay(TimeSpan delay) =>
            await Task.Delay(delay, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Counts the open orders of all replicas, and sets the limit until the next snapshot.</summary>
    async Task UpdateCountAsync(CancellationToken cancellationToken)
    {
        if (HasElapsed(UnsentAgeInterval, _unsentAgeRead))
        {
            _unsentAge = await queries.FindUnsentAgeAsync(cancellationToken);
            _unsentAgeRead = time.GetTimestamp();
        }

        var snapshot = _orders.BeginSnapshot();
        var (open, stuck) = await queries.CountOpenOrdersAsync(
            snapshot.InFlight, time.GetUtcNow().UtcDateTime - StuckAge,
            _options.MaxOpenOrders + _options.MaxStuckOrders, cancellationToken);
        var previousTotal = _lastTotal;
        _lastTotal = open + snapshot.InFlight.Length;

        // Stuck orders delay no other.
        var max = _options.MaxOpenOrders + (int)Math.Min(stuck, _options.MaxStuckOrders);
        // Orders that other replicas admit can hide finished ones, but then the total grows: no sustained queue.
        var anyFinished = _lastTotal < previousTotal + snapshot.Admitted;
        var limit = _overload.IsOverloaded(_lastTotal - stuck, anyFinished, anyRejected: snapshot.Rejected > 0)
            ? (int)Math.Min(max, _options.MaxStandingOrders + stuck)
            : max;
        if (_unsentAge > _options.MaxUnsentAge)
            _orders.EndSnapshot(snapshot, open, limit: 0, OutboxBacklog(_unsentAge, _options.RetryDelay));
        else
            _orders.EndSnapshot(snapshot, open, limit, TooManyOrders(limit, _options.RetryDelay));

        if (snapshot.Rejected > 0 && HasElapsed(RejectedLogInterval, _rejectedLogged))
        {
            LogRejected(_lastTotal, limit, _unsentAge);
            _rejectedLogged = time.GetTimestamp();
        }

        if (stuck > 0 && HasElapsed(StuckLogInterval, _stuckLogged))
        {
            LogStuck(stuck, StuckAge);
            _stuckLogged = time.GetTimestamp();
        }
    }

    bool HasElapsed(TimeSpan interval, long? since) => since == null || time.GetElapsedTime(since.Value) >= interval;

    /// <summary>Rejected clients retry within this time. If none does, the overload is over.</summary>
    static TimeSpan QuietPeriod(TimeSpan retryDelay) => TimeSpan.FromSeconds(Math.Max(1, 2 * retryDelay.TotalSeconds));

    static Rejection TooManyOrders(int limit, TimeSpan retryDelay) =>
        new("TOO_MANY_OPEN_ORDERS", $"{limit} orders are under way, which is the limit; retry later", retryDelay);

    static Rejection OutboxBacklog(TimeSpan unsentAge, TimeSpan retryDelay) =>
        new("MESSAGES_UNSENT", $"the oldest unsent message has waited for {unsentAge:c}; retry later", retryDelay);

    [LoggerMessage(Level = LogLevel.Warning, Message = "CreateOrder calls are rejected, and their clients retry later: "
        + "{Open} orders are open, the limit is {Limit}, and the oldest unsent message has waited for {UnsentAge}")]
    partial void LogRejected(long open, int limit, TimeSpan unsentAge);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Stuck} orders have been open for more than {Age}. "
        + "Check that the broker and the Account service are running, and that the error queues are empty")]
    partial void LogStuck(long stuck, TimeSpan age);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The open orders could not be counted. "
        + "The previous count and limit remain in force, and the count is retried: {Reason}")]
    partial void LogSnapshotFailed(string reason);
}
