using Npgsql;

namespace Orders;

/// <summary>The queries behind <see cref="AdmissionControl" />.</summary>
sealed class AdmissionQueries(NpgsqlDataSource database)
{
    /// <summary>Counts the open orders of all replicas.</summary>
    /// <param name="except">Orders that are not counted.</param>
    /// <param name="stuckBefore">The creation time before which an open order counts as stuck.</param>
    /// <param name="max">The count at which the query stops.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<(long Open, long Stuck)> CountOpenOrdersAsync(
        Guid[] except, DateTime stuckBefore, int max, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            select count(*), count(*) filter (where create_time < $3)
            from (
                select create_time from orders
                where {OrderStateMap.OpenFilter} and order_id <> all ($1) limit $2
            ) as open_orders
            """);
        command.Parameters.Add(new() { Value = except });
        command.Parameters.Add(new() { Value = max });
        command.Parameters.Add(new() { Value = stuckBefore });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return (row.GetInt64(0), row.GetInt64(1));
    }

    /// <summary>
    /// Returns the time for which the oldest outbox message has waited for the broker, or zero if none waits. Messages
    /// that the broker has already refused do not count: they do not delay others.
    /// </summary>
    public async Task<TimeSpan> FindUnsentAgeAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            select coalesce(now() - min(sent_time), '0')
            from outbox_message where token_id is null and parked is null and attempts = 0
            """);
        return (TimeSpan)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
