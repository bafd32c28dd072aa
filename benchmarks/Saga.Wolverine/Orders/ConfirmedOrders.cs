using System.Threading.Channels;
using Npgsql;

namespace Saga.Wolverine;

/// <summary>
/// Notifies the load of confirmed orders, by lines of order id | state. Many at a time share a notification, as Order's
/// do: one for each would let PostgreSQL commit one at a time.
/// </summary>
public sealed class ConfirmedOrders(NpgsqlDataSource database) : BackgroundService
{
    const int MaxLines = 100; // in a notification, whose size is limited

    static readonly TimeSpan PausePerOrder = TimeSpan.FromMilliseconds(2), MaxPause = TimeSpan.FromMilliseconds(20);

    readonly Channel<Guid> _orders = Channel.CreateUnbounded<Guid>();

    /// <summary>Adds an order whose transaction is about to commit.</summary>
    public void Add(Guid orderId) => _orders.Writer.TryWrite(orderId);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (await _orders.Reader.WaitToReadAsync(stoppingToken))
        {
            var lines = new List<string>();
            while (lines.Count < MaxLines && _orders.Reader.TryRead(out var orderId))
                lines.Add($"{orderId}|{OrderContext.Confirmed}");
            await using var command = database.CreateCommand("select pg_notify('order_changed', $1)");
            command.Parameters.AddWithValue(string.Join('\n', lines));
            await command.ExecuteNonQueryAsync(stoppingToken);
            var pause = PausePerOrder * lines.Count;
            await Task.Delay(pause < MaxPause ? pause : MaxPause, stoppingToken);
        }
    }
}
