using Npgsql;

namespace Saga.Load;

/// <summary>
/// The entries of the inbox's and the outbox's indexes that scans have read: those of deleted rows, too, while a
/// snapshot keeps them.
/// </summary>
static class EntriesRead
{
    /// <summary>The number since the database was created.</summary>
    public static async Task<long> CountAsync(string database, CancellationToken cancellationToken)
    {
        await using var source = NpgsqlDataSource.Create($"{database};Pooling=false");
        await using var command = source.CreateCommand("""
            select sum(idx_tup_read)::bigint from pg_stat_user_indexes
            where relname in ('outbox_message', 'inbox_state')
            """);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
