using System.Data;
using Npgsql;

namespace Saga.Load;

/// <summary>A transaction that stays open, as a backup's or a forgotten one, and keeps what is deleted since.</summary>
sealed class OpenSnapshot : IAsyncDisposable
{
    readonly NpgsqlConnection _connection;

    OpenSnapshot(NpgsqlConnection connection) => _connection = connection;

    /// <summary>Begins the transaction and takes its snapshot.</summary>
    /// <param name="database">A connection string.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    public static async Task<OpenSnapshot> TakeAsync(string database, CancellationToken cancellationToken)
    {
        var snapshot = new OpenSnapshot(new NpgsqlConnection($"{database};Pooling=false"));
        try
        {
            await snapshot._connection.OpenAsync(cancellationToken);
            // The transaction ends with its connection.
            await snapshot._connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);
            await using var first = new NpgsqlCommand("select count(*) from outbox_message", snapshot._connection);
            await first.ExecuteScalarAsync(cancellationToken);
            return snapshot;
        }
        catch
        {
            await snapshot.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
