using System.Globalization;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Options;
using Npgsql;
using Service.Defaults;

namespace Orders;

/// <summary>
/// Distributes the committed status changes of orders to their subscribers, whichever replica made the change. A
/// listening connection wakes up for every change of every order, so the watcher listens only while it has subscribers,
/// and a little longer. <see cref="OrderNotifier" /> can lose a notification, so the watched orders are also read again
/// every few seconds, all in one query.
/// </summary>
sealed partial class OrderWatcher(
    PrimaryDatabase database,
    IOptions<WatchOptions> options,
    TimeProvider time,
    ILogger<OrderWatcher> log)
    : BackgroundService
{
    static readonly TimeSpan KeepAliveInterval = TimeSpan.FromSeconds(5);
    static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(10);
    static readonly TimeSpan MaxSubscribeTime = TimeSpan.FromSeconds(1);
    static readonly TimeSpan ReconnectDelay = TimeSpan.FromMilliseconds(500);

    readonly LogLimit _interrupted = new(time), _notRead = new(time);
    readonly Dictionary<Guid, List<OrderSubscription>> _subscriptions = []; // guarded by a lock on itself
    readonly SemaphoreSlim _subscribed = new(0);
    TaskCompletionSource _listening = NewSignal(); // completed while the watcher listens

    /// <summary>
    /// Subscribes to an order. Read the order after that, so that no change falls between. If the watcher cannot listen
    /// within a second, the subscription is returned anyway, and has the order read again once the watcher listens.
    /// </summary>
    public async Task<OrderSubscription> WatchAsync(Guid orderId, CancellationToken cancellationToken)
    {
        var subscription = new OrderSubscription(x => Unsubscribe(orderId, x));
        Task listening;
        lock (_subscriptions)
        {
            listening = _listening.Task;
            if (!_subscriptions.TryGetValue(orderId, out var ofOrder))
                _subscriptions[orderId] = ofOrder = [];
            ofOrder.Add(subscription);
            if (_subscriptions.Count == 1 && _subscribed.CurrentCount == 0)
                _subscribed.Release();
        }

        await listening.WaitAsync(MaxSubscribeTime, time, cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return subscription;
    }

    void Unsubscribe(Guid orderId, OrderSubscription subscription)
    {
        lock (_subscriptions)
            if (_subscriptions.TryGetValue(orderId, out var ofOrder) && ofOrder.Remove(subscription)
                && ofOrder.Count == 0)
                _subscriptions.Remove(orderId);
    }

    /// <summary>Posts a committed change to the subscribers of the order.</summary>
    public void Post(Guid orderId, OrderChange change)
    {
        lock (_subscriptions)
            if (_subscriptions.TryGetValue(orderId, out var ofOrder))
                ofOrder.ForEach(x => x.Post(change));
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(ListenWhileSubscribedAsync(stoppingToken), RereadRegularlyAsync(stoppingToken));

    /// <summary>Finds the changes whose notifications were lost.</summary>
    async Task RereadRegularlyAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.Delay(options.Value.RereadInterval, time, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                await RereadAsync(stoppingToken);
                if (_notRead.HasEnded(out var duration))
                    LogRead(duration);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                if (_notRead.IsDue(e, out var count))
                    LogNotRead(Reason.Of(e), count);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    async Task RereadAsync(CancellationToken cancellationToken)
    {
        Guid[] watched;
        lock (_subscriptions)
            watched = [.. _subscriptions.Keys];
        if (watched.Length == 0)
            return;
        await using var command = database.Pool.CreateCommand("""
            select order_id, current_state, coalesce(reason, ''), update_time from orders
            where order_id = any($1) and current_state not in ('Initial', 'Reserving')
            """);
        command.Parameters.Add(new() { Value = watched });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
            Post(row.GetGuid(0), new OrderChange(row.GetString(1), row.GetString(2), row.GetDateTime(3)));
    }

    async Task ListenWhileSubscribedAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
            try
            {
                while (!HasSubscribers())
                    await _subscribed.WaitAsync(stoppingToken);
                await ListenUntilUnusedAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (_interrupted.IsDue(e, out var count))
                    LogInterrupted(options.Value.RereadInterval, Reason.Of(e), count);
                await Task.Delay(ReconnectDelay, stoppingToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
    }

    bool HasSubscribers()
    {
        lock (_subscriptions)
            return _subscriptions.Count > 0;
    }

    /// <summary>Listens until there has been no subscriber for <see cref="LingerTime" />.</summary>
    async Task ListenUntilUnusedAsync(CancellationToken stoppingToken)
    {
        await using var connection = await database.OutsidePool.OpenConnectionAsync(stoppingToken);
        try
        {
            connection.Notification += (_, e) => Distribute(e.Payload);
            await ListenAsync();
            RereadAll();
            _listening.SetResult();
            if (_interrupted.HasEnded(out var duration))
                LogRestored(duration);
            for (var lastSubscribed = time.GetTimestamp(); ShouldListen(ref lastSubscribed);)
                // A connection can be cut off without an error. A statement on a quiet connection detects that.
                if (!await connection.WaitAsync(KeepAliveInterval, stoppingToken))
                    await (database.IsCurrent(connection) ? ListenAsync() : throw new NpgsqlException(
                        $"{connection.DataSource} is not the primary any more"));
        }
        catch
        {
            lock (_subscriptions)
                ResetListening();
            throw;
        }

        async Task ListenAsync()
        {
            await using var command = new NpgsqlCommand("listen order_changed", connection) { CommandTimeout = 5 };
            await command.ExecuteNonQueryAsync(stoppingToken);
        }
    }

    /// <summary>Returns true while there are subscribers, and for a while after. New ones wait after a false.</summary>
    bool ShouldListen(ref long lastSubscribed)
    {
        lock (_subscriptions)
        {
            if (_subscriptions.Count > 0)
                lastSubscribed = time.GetTimestamp();
            else if (time.GetElapsedTime(lastSubscribed) >= LingerTime)
                ResetListening();
            return _listening.Task.IsCompleted;
        }
    }

    void ResetListening()
    {
        if (_listening.Task.IsCompleted)
            _listening = NewSignal();
    }

    static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Posts the changes of a notification, which has one line for each.</summary>
    void Distribute(string payload)
    {
        foreach (var line in payload.Split('\n'))
        {
            var fields = line.Split('|');
            var updateTime = DateTime.Parse(
                fields[3], CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal);
            Post(Guid.Parse(fields[0]), new OrderChange(fields[1], fields[2], updateTime));
        }
    }

    /// <summary>Makes every subscriber read its order again, because notifications may have been missed.</summary>
    void RereadAll()
    {
        lock (_subscriptions)
            foreach (var ofOrder in _subscriptions.Values)
                ofOrder.ForEach(x => x.Post(null));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The connection that listens for changes of orders was lost. "
        + "Open WatchOrder streams show changes up to {Delay} later until it is restored, which is tried twice a "
        + "second: {Reason}. Failures since the last such line: {Count}")]
    partial void LogInterrupted(TimeSpan delay, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The connection that listens for changes of orders is restored, after {Duration}")]
    partial void LogRestored(TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The orders that clients watch cannot be read. Changes whose "
        + "notification was lost are shown when they can; check the database: {Reason}. "
        + "Failures since the last such line: {Count}")]
    partial void LogNotRead(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The orders that clients watch are read again, after {Duration}")]
    partial void LogRead(TimeSpan duration);
}
