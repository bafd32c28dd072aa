using Npgsql;

namespace Saga.Load;

/// <summary>Listens to the order changes that Order's database notifies, which costs the services nothing.</summary>
sealed class OrderChangeListener : IAsyncDisposable
{
    readonly NpgsqlConnection _connection;
    readonly CancellationTokenSource _stop = new();
    Task _listening = Task.CompletedTask;

    OrderChangeListener(string database) => _connection = new NpgsqlConnection(database + ";Pooling=false");

    /// <summary>Starts to listen.</summary>
    /// <param name="database">Order's database.</param>
    /// <param name="changed">Called for each committed change with the order's id and new state, one at a time.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    public static async Task<OrderChangeListener> StartAsync(string database, Action<Guid, string> changed,
        CancellationToken cancellationToken)
    {
        var listener = new OrderChangeListener(database);
        await listener._connection.OpenAsync(cancellationToken);
        listener._connection.Notification += (_, e) =>
        {
            foreach (var line in e.Payload.Split('\n'))
                if (line.Split('|') is [var id, var state, ..])
                    changed(Guid.Parse(id), state);
        };
        await using (var listen = new NpgsqlCommand("listen order_changed", listener._connection))
            await listen.ExecuteNonQueryAsync(cancellationToken);
        listener._listening = Task.Run(async () =>
        {
            while (!listener._stop.IsCancellationRequested)
                await listener._connection.WaitAsync(listener._stop.Token)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }, CancellationToken.None);
        return listener;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _listening;
        await _connection.DisposeAsync();
        _stop.Dispose();
    }
}
