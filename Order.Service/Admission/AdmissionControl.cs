using Messaging.Postgres.Observability;
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

    readonly AdmissionOptions _options = options.Value;
    readonly OpenOrderCounter _orders = new(options.Value.MaxOpenOrders,
        TooManyOrders(options.Value.MaxOpenOrders, options.Value.RetryDelay), options.Value.MaxCallerShare,
        TooManyOrdersOfCaller(options.Value.RetryDelay));
    readonly OverloadDetector _overload = new(options.Value.MaxStandingOrders,
        QuietPeriod(options.Value.RetryDelay), time);

    readonly LogLimit _rejecting = new(time, LogLimit.ForConcurrentTasks), _stuck = new(time), _failures = new(time);

    TimeSpan _unsentAge;
    long? _unsentAgeRead; // timestamp
    long _lastTotal;

    /// <summary>Admits a CreateOrder call until the returned call is disposed, or returns null.</summary>
    /// <param name="orderId">The order that the call will create.</param>
    /// <param name="owner">Who owns the order, or null.</param>
    /// <param name="rejection">The error for a call that is not admitted.</param>
    public OpenOrderCounter.Call? Admit(Guid orderId, string? owner, out Rejection? rejection) =>
        _orders.Admit(orderId, owner, out rejection);

    /// <summary>Returns and counts the rejection of a call, or returns null if a call can be admitted.</summary>
    /// <param name="owner">Who calls, or null.</param>
    public Rejection? FindRejection(string? owner) => _orders.FindRejection(owner);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await UpdateCountAsync(stoppingToken);
                if (_failures.HasEnded(out var duration))
                    LogSnapshotTaken(duration);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                if (_failures.IsDue(e, out var count))
                    LogSnapshotFailed(Reason.Of(e), count);
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
        var (open, stuck, openOf) = await queries.CountOpenOrdersAsync(
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
            _orders.EndSnapshot(snapshot, open, limit: 0, OutboxBacklog(_unsentAge, _options.RetryDelay),
                openOf);
        else
            _orders.EndSnapshot(snapshot, open, limit, TooManyOrders(limit, _options.RetryDelay), openOf);

        Report(snapshot.Rejected > 0, limit, stuck);
    }

    void Report(bool anyRejected, int limit, long stuck)
    {
        if (anyRejected && _rejecting.IsDue(nameof(LogRejected), out _))
            LogRejected(_lastTotal, limit, TimeSpan.FromSeconds(Math.Round(_unsentAge.TotalSeconds)));
        else if (!anyRejected && _rejecting.HasEnded(out var rejected))
            LogAdmitted(rejected);
        if (stuck > 0 && _stuck.IsDue(nameof(LogStuck), out _))
            LogStuck(stuck, StuckAge);
        else if (stuck == 0 && _stuck.HasEnded(out var stuckFor))
            LogNoneStuck(StuckAge, stuckFor);
    }

    bool HasElapsed(TimeSpan interval, long? since) => since == null || time.GetElapsedTime(since.Value) >= interval;

    /// <summary>Rejected clients retry within this time. If none does, the overload is over.</summary>
    static TimeSpan QuietPeriod(TimeSpan retryDelay) => TimeSpan.FromSeconds(Math.Max(1, 2 * retryDelay.TotalSeconds));

    static Rejection TooManyOrders(int limit, TimeSpan retryDelay) =>
        new("TOO_MANY_OPEN_ORDERS", $"{limit} orders are under way, which is the limit; retry later", retryDelay);

    static Rejection TooManyOrdersOfCaller(TimeSpan retryDelay) => new("TOO_MANY_OPEN_ORDERS_OF_CALLER",
        "too many orders of this caller are under way; retry later", retryDelay);

    static Rejection OutboxBacklog(TimeSpan unsentAge, TimeSpan retryDelay) =>
        new("MESSAGES_UNSENT", $"the oldest unsent message has waited for {unsentAge:c}; retry later", retryDelay);

    [LoggerMessage(Level = LogLevel.Warning, Message = "CreateOrder calls are rejected, and their clients retry later: "
        + "{Open} orders are open, the limit is {Limit}, and the oldest unsent message has waited for {UnsentAge}")]
    partial void LogRejected(long open, int limit, TimeSpan unsentAge);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "CreateOrder calls are no longer rejected, after {Duration}")]
    partial void LogAdmitted(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Stuck} orders have been open for more than {Age}. "
        + "Check that the broker and the Account service are running, and that the error queues are empty")]
    partial void LogStuck(long stuck, TimeSpan age);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "No order is open for more than {Age} any more, after {Duration}")]
    partial void LogNoneStuck(TimeSpan age, TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The open orders cannot be counted. The last count and limit "
        + "remain in force until they can; check the database: {Reason}. Failures since the last such line: {Count}")]
    partial void LogSnapshotFailed(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "The open orders are counted again, after {Duration}")]
    partial void LogSnapshotTaken(TimeSpan duration);
}
