using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Net.Client;
using Npgsql;
using Orders;
using Orders.V1;

namespace Saga.Load.Run;

/// <summary>
/// Learns when each order's terminal status was committed: by the database's notifications where the database is
/// known (no cost to the services), else by WatchOrder.
/// </summary>
sealed class TerminalTimes : IAsyncDisposable
{
    readonly ConcurrentDictionary<Guid, (string Status, long At)> _ended = new();
    readonly CancellationTokenSource _stop = new();
    readonly List<Task> _tasks = [];
    NpgsqlConnection? _connection;
    GrpcChannel[]? _channels;

    /// <summary>How many orders have ended.</summary>
    public int Count => _ended.Count;

    public static async Task<TerminalTimes> StartAsync(Target target, GrpcChannel[] channels, CancellationToken cancellationToken)
    {
        var times = new TerminalTimes();
        if (target.OrderDatabase == null)
        {
            times._channels = channels;
            return times;
        }

        times._connection = new NpgsqlConnection(target.OrderDatabase + ";Pooling=false");
        await times._connection.OpenAsync(cancellationToken);
        times._connection.Notification += (_, e) =>
        {
            foreach (var line in e.Payload.Split('\n'))
                if (line.Split('|') is [var id, ("Confirmed" or "Rejected" or "Cancelled") and var state, ..])
                    times.End(Guid.Parse(id), state.ToUpperInvariant());
        };
        await using (var listen = new NpgsqlCommand("listen order_changed", times._connection))
            await listen.ExecuteNonQueryAsync(cancellationToken);
        times._tasks.Add(Task.Run(async () =>
        {
            while (!times._stop.IsCancellationRequested)
                await times._connection.WaitAsync(times._stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }, CancellationToken.None));
        return times;
    }

    /// <summary>Takes note of an order that was placed.</summary>
    public void Placed(string orderId)
    {
        if (_channels == null)
            return;
        var client = new OrderService.OrderServiceClient(_channels[Math.Abs(orderId.GetHashCode()) % _channels.Length]);
        var watching = WatchAsync(client, orderId);
        lock (_tasks)
            _tasks.Add(watching);
    }

    async Task WatchAsync(OrderService.OrderServiceClient client, string orderId)
    {
        using var watch = client.WatchOrder(new WatchOrderRequest { OrderId = orderId }, cancellationToken: _stop.Token);
        while (await watch.ResponseStream.MoveNext(_stop.Token))
            if (watch.ResponseStream.Current.Status.IsTerminal())
                End(Guid.Parse(orderId), watch.ResponseStream.Current.Status.ToString().ToUpperInvariant());
    }

    void End(Guid orderId, string status) => _ended.TryAdd(orderId, (status, Stopwatch.GetTimestamp()));

    /// <summary>How and when (by <see cref="Stopwatch" />) an order ended, or null.</summary>
    public (string Status, long At)? Of(Guid orderId) => _ended.TryGetValue(orderId, out var end) ? end : null;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_connection != null)
            await _connection.DisposeAsync();
        _stop.Dispose();
    }
}
