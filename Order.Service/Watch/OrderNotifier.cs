using System.Globalization;
using System.Threading.Channels;
using Messaging.Postgres;
using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Npgsql;
using Service.Defaults;

namespace Orders;

/// <summary>
/// Tells the watchers of all replicas about committed changes of orders. A notification that is part of an order's
/// transaction could make its commit fail, so notifications are sent after it, on a connection of their own. Changes
/// that arrive while one is being sent share the next. <see cref="OrderWatcher" /> finds those that are lost.
/// </summary>
/// <remarks>
/// A notification has a line for each change: order id | state | reason, or empty | update time in UTC. It has at most
/// 60 lines, which keeps it below PostgreSQL's limit of 8,000 bytes.
/// </remarks>
sealed partial class OrderNotifier(
    OrderWatcher watcher,
    PrimaryDatabase database,
    TimeProvider time,
    ILogger<OrderNotifier> log) : BackgroundService, ICommitObserver<OrderDbContext>
{
    const int MaxLines = 60;
    const int MaxLinesPerStatement = 50 * MaxLines;
    const int MaxWaiting = 100_000;

    /// <summary>Limits how long notifications can go to a server that a failover has demoted.</summary>
    static readonly TimeSpan MaxConnectionAge = TimeSpan.FromSeconds(10);

    /// <summary>
    /// A change is sent at once, unless others have just been sent: the more there were, the longer the changes that
    /// follow are collected for the next notification.
    /// </summary>
    static readonly TimeSpan PausePerChange = TimeSpan.FromMilliseconds(2), MaxPause = TimeSpan.FromMilliseconds(20);

    static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(500);

    readonly Channel<string> _waiting = Channel.CreateBounded<string>(new BoundedChannelOptions(MaxWaiting)
    {
        FullMode = BoundedChannelFullMode.DropOldest,
        SingleReader = true,
    });

    readonly LogLimit _failures = new(time);

    NpgsqlConnection? _connection;
    long _connected; // timestamp

    /// <inheritdoc />
    public void Committed(EntityEntry entry)
    {
        if (entry.Entity is not OrderState order)
            return;
        if (entry.State == EntityState.Added)
            OrderMetrics.Entered(order); // nobody watches it yet
        else if (entry.Property(nameof(OrderState.CurrentState)).IsModified) // a captured order keeps its status
            Committed(order);
    }

    /// <summary>
    /// Counts a committed change of state, posts it to the watchers of this replica, and queues it for the others.
    /// </summary>
    public void Committed(OrderState order)
    {
        OrderMetrics.Entered(order);
        var change = new OrderChange(order.CurrentState, order.Reason?.ToString() ?? "", order.UpdateTime);
        watcher.Post(order.CorrelationId, change);
        _waiting.Writer.TryWrite($"{order.CorrelationId}|{change.State}|{change.Reason}|"
            + change.UpdateTime.ToString("O", CultureInfo.InvariantCulture));
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
            try
            {
                if (_connection != null && time.GetElapsedTime(_connected) >= MaxConnectionAge)
                    await DisconnectAsync();
                await WaitAsync(stoppingToken);
                var changes = Dequeue();
                await NotifyAsync(changes, stoppingToken);
                if (_failures.HasEnded(out var duration))
                    LogNotified(duration);
                var pause = PausePerChange * changes.Count;
                await Task.Delay(pause < MaxPause ? pause : MaxPause, time, stoppingToken);
            }
            catch (Exception e)
            {
                await DisconnectAsync();
                if (stoppingToken.IsCancellationRequested)
                    return;
                if (_failures.IsDue(e, out var count))
                    LogNotNotified(Reason.Of(e), count);
                await Task.Delay(RetryDelay, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

        await DisconnectAsync();
    }

    /// <summary>Waits for a change, and closes the connection if there is none for a while.</summary>
    async Task WaitAsync(CancellationToken cancellationToken)
    {
        var change = _waiting.Reader.WaitToReadAsync(cancellationToken).AsTask();
        if (_connection != null && !change.IsCompleted)
        {
            await Task.WhenAny(change, Task.Delay(MaxConnectionAge, time, cancellationToken));
            if (!change.IsCompleted)
                await DisconnectAsync();
        }

        await change;
    }

    List<string> Dequeue()
    {
        var lines = new List<string>();
        while (lines.Count < MaxLinesPerStatement && _waiting.Reader.TryRead(out var line))
            lines.Add(line);
        return lines;
    }

    async Task NotifyAsync(List<string> lines, CancellationToken cancellationToken)
    {
        var isNew = _connection == null;
        _connection ??= await ConnectAsync(cancellationToken);
        try
        {
            await SendAsync(lines, _connection, cancellationToken);
        }
        catch (NpgsqlException) when (!isNew)
        {
            // The connection may have been lost while it was idle.
            await DisconnectAsync();
            _connection = await ConnectAsync(cancellationToken);
            await SendAsync(lines, _connection, cancellationToken);
        }
    }

    static async Task SendAsync(List<string> lines, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            "select pg_notify('order_changed', payload) from unnest($1) as payload", connection);
        command.CommandTimeout = 5;
        command.Parameters.Add(new() { Value = lines.Chunk(MaxLines).Select(x => string.Join('\n', x)).ToArray() });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    async Task<NpgsqlConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        var connection = await database.OutsidePool.OpenConnectionAsync(cancellationToken);
        // A notification is not stored, so its commit need not wait for the disk.
        await using var command = new NpgsqlCommand("set synchronous_commit = off", connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
        _connected = time.GetTimestamp();
        return connection;
    }

    async Task DisconnectAsync()
    {
        if (_connection is { } connection)
            await connection.DisposeAsync();
        _connection = null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Other replicas could not be notified of changes of orders. "
        + "Their WatchOrder streams show them seconds later; orders are not affected. Check the database, "
        + "and that its NOTIFY queue is not full: {Reason}. Failures since the last such line: {Count}")]
    partial void LogNotNotified(string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Other replicas are notified of changes of orders again, after {Duration}")]
    partial void LogNotified(TimeSpan duration);
}
