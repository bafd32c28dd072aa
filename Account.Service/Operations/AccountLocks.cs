using System.Globalization;
using Npgsql;
using Service.Defaults;

namespace Accounts;

/// <summary>Finds the session that keeps an account locked, so that all commands for it wait.</summary>
sealed class AccountLocks(PrimaryDatabase database)
{
    // The transaction that has locked a row is in its xmax. Of sessions of other users, the times may not be visible.
    const string Query = """
        select s.pid, s.usename::text, s.application_name, s.xact_start
        from accounts a
        join pg_locks l on l.locktype = 'transactionid' and l.transactionid = a.xmax and l.granted
        join pg_stat_activity s on s.pid = l.pid
        where a.account_id = $1 and (s.xact_start is null or s.xact_start < clock_timestamp() - interval '2 seconds')
        """;

    /// <summary>Names the session that has locked an account for two seconds; empty if there is none.</summary>
    public async Task<string> FindAsync(Guid accountId, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Query, connection);
        command.Parameters.Add(new() { Value = accountId });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken))
            return "";
        var user = row.IsDBNull(1) ? "?" : row.GetString(1);
        var program = row.IsDBNull(2) || row.GetString(2) == "" ? "" : $" ({row.GetString(2)})";
        var since = row.IsDBNull(3) ? "" : row.GetDateTime(3).ToUniversalTime()
            .ToString("' since 'yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        return $"session {row.GetInt32(0)} of user {user}{program}{since}";
    }
}
