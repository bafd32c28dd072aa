using System.Globalization;
using Npgsql;

namespace Orders;

/// <summary>
/// Distributes the committed status changes of orders to their subscribers, whichever replica made the change. The
/// trigger in notify_orders_changed.sql notifies all listeners, in commit order. A listening connection wakes up for
/// every change of every order, so the watcher listens only while it has subscribers, and a little longer.
/// </summary>
sealed partial class OrderWatcher(NpgsqlDataSource database, TimeProvider time, ILogger<OrderWatcher> log)
    : BackgroundService
{
    static readonly TimeSpan KeepAliveInterval = TimeSpan.FromSeconds(10);
    static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(10);
    static readonly TimeSpan MaxSubscribeTime = TimeSpan.FromSeconds(1);
    static readonly TimeSpan ReconnectDelay = TimeSpan.FromMilliseconds(500);

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

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
            try
            {
                while (!HasSubscribers())
                    await _subscribed.WaitAsync(stoppingToken);
                await ListenAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogInterrupted(e.Message);
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
    async Task ListenAsync(CancellationToken stoppingToken)
    {
        await using var connection = await database.OpenConnectionAsync(stoppingToken);
        try
        {
            connection.Notification += (_, e) => Distribute(e.Payload);
            await RunSqlAsync("listen order_changed");
            RereadAll();
            _listening.SetResult();
            for (var lastSubscribed = time.GetTimestamp(); ShouldListen(ref lastSubscribed);)
                // A connection can be cut off without an error. A query on a quiet connection detects that.
                if (!await connection.WaitAsync(KeepAliveInterval, stoppingToken))
                    await RunSqlAsync("select 1");
            await RunSqlAsync("unlisten order_changed"); // the connection pool does not do this
        }
        catch
        {
            NpgsqlConnection.ClearPool(connection); // this connection may still listen
            lock (_subscriptions)
                ResetListening();
            throw;
        }

        async Task RunSqlAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 5 };
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
            lock (_subscriptions)
                if (_subscriptions.TryGetValue(Guid.Parse(fields[0]), out var ofOrder))
                {
                    var updateTime = DateTime.Parse(
                        fields[3], CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal);
                    var change = new OrderChange(fields[1], fields[2], updateTime);
                    ofOrder.ForEach(x => x.Post(change));
                }
        }
    }

    /// <summary>Makes every subscriber read its order again, because notifications may have been missed.</summary>
    void RereadAll()
    {
        lock (_subscriptions)
            foreach (var ofOrder in _subscriptions.Values)
                ofOrder.ForEach(x => x.Post(null));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The connection that listens for order changes was lost. "
        + "Open WatchOrder streams continue once it is restored: {Reason}")]
    partial void LogInterrupted(string reason);
}
