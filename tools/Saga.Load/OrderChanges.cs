using Npgsql;

namespace Saga.Load;

/// <summary>Hears from Order's database of every committed change of an order's state, at no cost to the services.</summary>
sealed class OrderChanges : IAsyncDisposable
{
    readonly NpgsqlConnection _connection;
    readonly CancellationTokenSource _stop = new();
    Task _listening = Task.CompletedTask;

    OrderChanges(string database) => _connection = new NpgsqlConnection(database + ";Pooling=false");

    /// <summary>Calls with the order's id and its new state, for each change from now on, one after the other.</summary>
    public static async Task<OrderChanges> ListenAsync(string database, Action<Guid, string> changed, CancellationToken cancellationToken)
    {
        var changes = new OrderChanges(database);
        await changes._connection.OpenAsync(cancellationToken);
        changes._connection.Notification += (_, e) =>
        {
            foreach (var line in e.Payload.Split('\n'))
                if (line.Split('|') is [var id, var state, ..])
                    changed(Guid.Parse(id), state);
        };
        await using (var listen = new NpgsqlCommand("listen order_changed", changes._connection))
            await listen.ExecuteNonQueryAsync(cancellationToken);
        changes._listening = Task.Run(async () =>
        {
            while (!changes._stop.IsCancellationRequested)
                await changes._connection.WaitAsync(changes._stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }, CancellationToken.None);
        return changes;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _listening;
        await _connection.DisposeAsync();
        _stop.Dispose();
    }
}
