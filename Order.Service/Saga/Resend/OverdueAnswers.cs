using Messaging.Postgres;
using Messaging.Postgres.Database;
using Messaging.Postgres.Observability;
using Messaging.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Service.Defaults;

namespace Orders;

/// <summary>
/// Raises <see cref="AnswerOverdue" /> for orders whose answer from Account is overdue. So a lost message delays an
/// order, but never leaves the order or its funds behind. Runs in every replica; a row lock decides who takes an order.
/// </summary>
/// <remarks>
/// While many messages wait in the queue of a command, Account is slow or down, and the command is most likely among
/// them. While many wait in the saga's own queue, the answer is most likely among those. In both cases nothing is sent
/// again, so that an outage does not fill the queues with copies.
/// </remarks>
sealed partial class OverdueAnswers(
    IServiceScopeFactory scopes,
    QueueBacklog queues,
    DatabaseClock<OrderDbContext> time,
    ILogger<OverdueAnswers> log) : BackgroundService
{
    const int MaxOrders = 100;
    const long MaxBacklog = 1000;

    static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>Longer than the longest pause before a command is sent again.</summary>
    static readonly TimeSpan QuietTime = TimeSpan.FromMinutes(2);

    static readonly string Awaiting = $"select *, xmin from orders where {OrderStateMap.AwaitingFilter}";

    // The newest first: after an upgrade, millions of older orders can wait for their first answer.
    static readonly string LockOverdue = $"""
        {Awaiting} and resend_time <= @now and current_state = any (@states)
        order by resend_time desc limit {MaxOrders} for update skip locked
        """;

    readonly ScanStart _overdue = new(time);
    readonly LogLimit _resending = new(time, QuietTime), _failures = new(time);
    int _resent; // since the last log line

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var resent = 0;
            try
            {
                resent = await ResendAsync(stoppingToken);
                if (_failures.HasEnded(out var duration))
                    LogWorks(duration);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                if (_failures.IsDue(e, out var count))
                    LogFailed(Reason.Of(e), count);
            }

            await Task.Delay(resent == MaxOrders ? Interval / 10 : Interval, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Lets up to <see cref="MaxOrders" /> sagas send their commands again, in one transaction.</summary>
    /// <returns>The number of orders.</returns>
    async Task<int> ResendAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<OrderDbContext>();
        var now = time.UtcNow();
        var isAnyOverdue = await _overdue.Scan(async from =>
        {
            var isAny = await Overdue(db, from, now).AnyAsync(cancellationToken);
            return (isAny, isAny ? (DateTime?)null : now);
        });
        if (!isAnyOverdue)
        {
            if (_resending.HasEnded(out var duration))
                LogAnswered(duration);
            return 0;
        }

        var states = await FindShortQueuesAsync(cancellationToken);
        if (states.Length == 0)
            return 0;
        var orders = await scope.ServiceProvider.GetRequiredService<CommandResend>().RunAsync(LockOverdue,
            [new NpgsqlParameter("now", now), new NpgsqlParameter("states", states)], cancellationToken);
        Report(orders);
        return orders.Count;
    }

    static IQueryable<OrderState> Overdue(OrderDbContext db, DateTime from, DateTime now) => db.Orders
        .FromSqlRaw(Awaiting).AsNoTracking().Where(x => x.ResendTime >= from && x.ResendTime <= now);

    /// <summary>
    /// The states whose commands can be sent again, because their queues exist and are short, as is the saga's own.
    /// </summary>
    async Task<string[]> FindShortQueuesAsync(CancellationToken cancellationToken)
    {
        if (await queues.CountAsync(OrderStateMachine.AnswersQueue.AbsolutePath, cancellationToken) > MaxBacklog)
            return [];
        var states = new List<string>();
        foreach (var (state, queue) in OrderStateMachine.Awaiting)
            if (await queues.CountAsync(queue.AbsolutePath, cancellationToken) <= MaxBacklog)
                states.Add(state);
        return [.. states];
    }

    void Report(List<OrderState> orders)
    {
        _resent += orders.Count;
        if (orders.MinBy(x => x.UpdateTime) is not { } oldest || !_resending.IsDue(nameof(LogResent), out _))
            return;
        LogResent(_resent, oldest.CorrelationId, oldest.CurrentState, oldest.UpdateTime);
        _resent = 0;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Account has not answered in time, and {Count} commands were sent again. "
        + "Check that Account runs and consumes its queues. "
        + "The longest wait: order {OrderId} is {State} since {Since:O}")]
    partial void LogResent(int count, Guid orderId, string state, DateTime since);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Account answers again: nothing had to be sent again for two minutes, after {Duration} in which it had")]
    partial void LogAnswered(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Commands that Account has not answered cannot be sent again. Orders whose messages were lost wait until they "
        + "can; check the database and the broker: {Reason}. Failures since the last such line: {Count}")]
    partial void LogFailed(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Commands that Account has not answered can be sent again, after {Duration}")]
    partial void LogWorks(TimeSpan duration);
}
