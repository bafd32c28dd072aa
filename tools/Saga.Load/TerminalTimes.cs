using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Net.Client;
using Orders.V1;
using Saga.Services;

namespace Saga.Load;

/// <summary>
/// Learns when each order's terminal status was committed: by the database's notifications where the database is
/// known (no cost to the services), else by WatchOrder.
/// </summary>
sealed class TerminalTimes : IAsyncDisposable
{
    readonly ConcurrentDictionary<Guid, (string Status, long At)> _ended = new();
    readonly CancellationTokenSource _stop = new();
    readonly List<Task> _watches = [];
    OrderChanges? _changes;
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

        times._changes = await OrderChanges.ListenAsync(target.OrderDatabase, (id, state) =>
        {
            if (state is "Confirmed" or "Rejected" or "Cancelled")
                times.End(id, state.ToUpperInvariant());
        }, cancellationToken);
        return times;
    }

    /// <summary>Takes note of an order that was placed.</summary>
    public void Placed(string orderId)
    {
        if (_channels == null)
            return;
        var client = new OrderService.OrderServiceClient(_channels[Math.Abs(orderId.GetHashCode()) % _channels.Length]);
        var watching = WatchAsync(client, orderId);
        lock (_watches)
            _watches.Add(watching);
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
        await Task.WhenAll(_watches).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_changes != null)
            await _changes.DisposeAsync();
        _stop.Dispose();
    }
}
