using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Net.Client;
using Orders.V1;
using Saga.Services;

namespace Saga.Load;

/// <summary>
/// Records when each order's terminal status was committed: by the database's notifications, which cost the services
/// nothing, or by WatchOrder if the database is unknown.
/// </summary>
sealed class TerminalTimes : IAsyncDisposable
{
    static readonly TimeSpan MaxIdle = TimeSpan.FromSeconds(60);

    readonly ConcurrentDictionary<Guid, (string Status, long At)> _ended = new();
    readonly CancellationTokenSource _stop = new();
    readonly List<Task> _watches = [];
    OrderChangeListener? _changes;
    GrpcChannel[]? _channels;

    /// <summary>The number of orders with a terminal status.</summary>
    public int Count => _ended.Count;

    public static async Task<TerminalTimes> StartAsync(Target target, GrpcChannel[] channels,
        CancellationToken cancellationToken)
    {
        var times = new TerminalTimes();
        if (target.OrderDatabase == null)
        {
            times._channels = channels;
            return times;
        }

        times._changes = await OrderChangeListener.StartAsync(target.OrderDatabase, (id, state) =>
        {
            if (state is "Confirmed" or "Rejected" or "Cancelled")
                times.Add(id, state.ToUpperInvariant());
        }, cancellationToken);
        return times;
    }

    /// <summary>Watches an order that was placed, unless the database notifies.</summary>
    public void Watch(Guid orderId)
    {
        if (_channels == null)
            return;
        var client = new OrderService.OrderServiceClient(
            _channels[(orderId.GetHashCode() & int.MaxValue) % _channels.Length]);
        var watching = WatchAsync(client, orderId);
        lock (_watches)
            _watches.Add(watching);
    }

    /// <summary>
    /// An order's terminal status and its time in ticks of <see cref="Stopwatch" />; null before that.
    /// </summary>
    public (string Status, long At)? Of(Guid orderId) => _ended.TryGetValue(orderId, out var end) ? end : null;

    /// <summary>
    /// Waits until every placed order is terminal, or until no order has become terminal for a minute.
    /// </summary>
    public async Task WaitAsync(PlacedOrder?[] placed, CancellationToken cancellationToken)
    {
        var expected = placed.Count(x => x != null);
        var (last, idle) = (-1, Stopwatch.StartNew());
        while ((Count < expected || placed.Any(x => x != null && Of(x.OrderId) == null)) && idle.Elapsed < MaxIdle)
        {
            if (Count != last)
                (last, idle) = (Count, Stopwatch.StartNew());
            await Task.Delay(20, cancellationToken);
        }
    }

    async Task WatchAsync(OrderService.OrderServiceClient client, Guid orderId)
    {
        using var watch = client.WatchOrder(new WatchOrderRequest { OrderId = orderId.ToString() },
            cancellationToken: _stop.Token);
        while (await watch.ResponseStream.MoveNext(_stop.Token))
            if (watch.ResponseStream.Current.Status.IsTerminal())
                Add(orderId, watch.ResponseStream.Current.Status.ToString().ToUpperInvariant());
    }

    void Add(Guid orderId, string status) => _ended.TryAdd(orderId, (status, Stopwatch.GetTimestamp()));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_watches).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_changes != null)
            await _changes.DisposeAsync();
        _stop.Dispose();
    }
}
