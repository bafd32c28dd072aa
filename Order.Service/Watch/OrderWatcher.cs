using System.Globalization;
using System.Threading.Channels;
using Google.Protobuf.WellKnownTypes;
using Npgsql;
using Orders.V1;

namespace Orders;

/// <summary>
/// Hears of every committed change of an order's status, whichever replica made it: a trigger notifies
/// (PostgreSQL's LISTEN and NOTIFY), in the order of the commits. Listens only while somebody watches, and a little longer: whoever
/// listens is woken by every change of any order.
/// </summary>
sealed partial class OrderWatcher(NpgsqlDataSource database, TimeProvider time, ILogger<OrderWatcher> log) : BackgroundService
{
    static readonly TimeSpan MaxSilence = TimeSpan.FromSeconds(10);
    static readonly TimeSpan MaxStart = TimeSpan.FromSeconds(1);

    readonly Dictionary<Guid, List<OrderSubscription>> _watched = [];
    readonly SemaphoreSlim _isWatched = new(0);
    TaskCompletionSource _listening = NewPromise();

    /// <summary>
    /// Subscribes; read the order after that, so that no change falls between. Where the database cannot be listened to within a second, it has the
    /// order read again when it can.
    /// </summary>
    public async Task<OrderSubscription> WatchAsync(Guid orderId, CancellationToken cancellationToken)
    {
        var subscription = new OrderSubscription(x => Unwatch(orderId, x));
        Task listening;
        lock (_watched)
        {
            listening = _listening.Task;
            if (!_watched.TryGetValue(orderId, out var all))
                _watched[orderId] = all = [];
            all.Add(subscription);
            if (_watched.Count == 1 && _isWatched.CurrentCount == 0)
                _isWatched.Release();
        }

        await listening.WaitAsync(MaxStart, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return subscription;
    }

    void Unwatch(Guid orderId, OrderSubscription subscription)
    {
        lock (_watched)
            if (_watched.TryGetValue(orderId, out var all) && all.Remove(subscription) && all.Count == 0)
                _watched.Remove(orderId);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
            try
            {
                while (!IsWatched())
                    await _isWatched.WaitAsync(stoppingToken);
                await Listen(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogLost(e.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(500), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
    }

    bool IsWatched()
    {
        lock (_watched)
            return _watched.Count > 0;
    }

    /// <summary>Listens until nobody has watched for a while.</summary>
    async Task Listen(CancellationToken stoppingToken)
    {
        await using var connection = await database.OpenConnectionAsync(stoppingToken);
        try
        {
            connection.Notification += (_, e) => Publish(e.Payload);
            await Execute("listen order_changed");
            Refresh();
            _listening.SetResult();
            for (var watched = time.GetTimestamp(); MustListen(ref watched);)
                // A connection that was cut without a word would be silent for ever: a quiet one is asked.
                if (!await connection.WaitAsync(MaxSilence, stoppingToken))
                    await Execute("select 1");
            await Execute("unlisten order_changed"); // the pool does not
        }
        catch
        {
            NpgsqlConnection.ClearPool(connection); // this one may listen still
            lock (_watched)
                PromiseAgain();
            throw;
        }

        async Task Execute(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 5 };
            await command.ExecuteNonQueryAsync(stoppingToken);
        }
    }

    /// <summary>Whether somebody watches, or has until lately; if not, who comes next waits until it listens again.</summary>
    bool MustListen(ref long lately)
    {
        lock (_watched)
        {
            if (_watched.Count > 0)
                lately = time.GetTimestamp();
            else if (time.GetElapsedTime(lately) >= MaxSilence)
                PromiseAgain();
            return _listening.Task.IsCompleted;
        }
    }

    void PromiseAgain()
    {
        if (_listening.Task.IsCompleted)
            _listening = NewPromise();
    }

    static TaskCompletionSource NewPromise() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A line for each change.</summary>
    void Publish(string payload)
    {
        foreach (var line in payload.Split('\n'))
        {
            var parts = line.Split('|');
            lock (_watched)
                if (_watched.TryGetValue(Guid.Parse(parts[0]), out var all))
                {
                    var change = new OrderChange(parts[1], parts[2], DateTime.Parse(parts[3], CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal));
                    all.ForEach(x => x.Post(change));
                }
        }
    }

    /// <summary>Has every subscriber read its order again: notifications may have been missed.</summary>
    void Refresh()
    {
        lock (_watched)
            foreach (var all in _watched.Values)
                all.ForEach(x => x.Post(null));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database's notifications are interrupted: {Reason}")]
    partial void LogLost(string reason);
}

/// <summary>A committed change of an order's status.</summary>
sealed record OrderChange(string State, string Reason, DateTime UpdateTime)
{
    /// <summary>Brings an order up to this change; false if it is there, or further, already.</summary>
    public bool ApplyTo(Order order)
    {
        // By the status, which only goes forward; the time is that of whichever replica made the change.
        var status = OrderMapping.ToStatus(State);
        if (status == order.Status || order.Status.IsTerminal() || status == OrderStatus.Pending)
            return false;
        order.Status = status;
        order.Reason = OrderMapping.ToProto(Reason == "" ? null : System.Enum.Parse<OrderReason>(Reason));
        order.UpdateTime = UpdateTime.ToTimestamp();
        return true;
    }
}

/// <summary>One watcher's changes; null means "read the order again".</summary>
sealed class OrderSubscription(Action<OrderSubscription> unsubscribe) : IDisposable
{
    readonly Channel<OrderChange?> _changes = Channel.CreateUnbounded<OrderChange?>();

    public void Post(OrderChange? change) => _changes.Writer.TryWrite(change);

    public ValueTask<OrderChange?> Next(CancellationToken cancellationToken) => _changes.Reader.ReadAsync(cancellationToken);

    public void Dispose() => unsubscribe(this);
}
