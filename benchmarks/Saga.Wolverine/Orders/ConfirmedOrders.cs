using System.Threading.Channels;
using Npgsql;

namespace Saga.Wolverine;

/// <summary>
/// Notifies the load of confirmed orders, by lines of order id | state. One notification has all orders of 20 ms, as
/// Order's have: a notification for each would let PostgreSQL commit one at a time.
/// </summary>
public sealed class ConfirmedOrders(NpgsqlDataSource database) : BackgroundService
{
    const int MaxLines = 100; // in a notification, whose size is limited

    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    readonly Channel<Guid> _orders = Channel.CreateUnbounded<Guid>();

    /// <summary>Adds an order whose transaction is about to commit.</summary>
    public void Add(Guid orderId) => _orders.Writer.TryWrite(orderId);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (await _orders.Reader.WaitToReadAsync(stoppingToken))
        {
            await Task.Delay(Interval, stoppingToken);
            var lines = new List<string>();
            while (lines.Count < MaxLines && _orders.Reader.TryRead(out var orderId))
                lines.Add($"{orderId}|{OrderContext.Confirmed}");
            await using var command = database.CreateCommand("select pg_notify('order_changed', $1)");
            command.Parameters.AddWithValue(string.Join('\n', lines));
            await command.ExecuteNonQueryAsync(stoppingToken);
        }
    }
}
