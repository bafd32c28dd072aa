using Npgsql;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// Finds ledger entries by time without an index of times: the ids of entries increase with time, so a search that
/// halves the range of ids needs a few look-ups.
/// </summary>
sealed class EntryIds(PrimaryDatabase database)
{
    const string Last = "select entry_id from all_ledger_entries order by entry_id desc limit 1";

    const string At = """
        select entry_id, create_time from all_ledger_entries where entry_id <= $1 order by entry_id desc limit 1
        """;

    /// <summary>
    /// Returns the greatest id of an entry that is older than a time; 0 if there is none. The times of concurrent
    /// entries can differ from the order of their ids by as much as the clocks of the replicas do.
    /// </summary>
    public async Task<long> FindLastAsync(DateTime before, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var last = new NpgsqlCommand(Last, connection);
        // The entries up to found are older; those from end on are not.
        var (found, end) = (0L, 1 + (long)(await last.ExecuteScalarAsync(cancellationToken) ?? 0L));
        while (end - found > 1)
        {
            var middle = found + (end - found) / 2;
            await using var at = new NpgsqlCommand(At, connection) { Parameters = { new() { Value = middle } } };
            await using var row = await at.ExecuteReaderAsync(cancellationToken);
            if (!await row.ReadAsync(cancellationToken) || row.GetInt64(0) <= found)
                found = middle; // no entry between them
            else if (row.GetDateTime(1) < before)
                found = middle;
            else
                end = row.GetInt64(0);
        }

        return found;
    }
}
