using Messaging.Postgres;
using Service.Defaults;

namespace Orders;

/// <summary>The queries behind <see cref="AdmissionControl" />.</summary>
sealed class AdmissionQueries(PrimaryDatabase database, TimeProvider time)
{
    readonly ScanStart _openOrders = new(time), _unsent = new(time);

    /// <summary>Counts the open orders of all replicas; of each owner, without those that are stuck.</summary>
    /// <param name="except">Orders that are not counted.</param>
    /// <param name="stuckBefore">The creation time before which an open order counts as stuck.</param>
    /// <param name="max">The count at which the query stops.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public Task<(long Open, long Stuck, IReadOnlyDictionary<string, long> Of)> CountOpenOrdersAsync(
        Guid[] except, DateTime stuckBefore, int max, CancellationToken cancellationToken) =>
        _openOrders.Scan(async from =>
        {
            var now = time.UtcNow();
            await using var command = database.Pool.CreateCommand($"""
                select count(*), count(*) filter (where create_time < $3), min(create_time), owner
                from (
                    select create_time, owner from orders
                    where {OrderStateMap.OpenFilter} and create_time >= $4 and order_id <> all ($1) limit $2
                ) as open_orders
                group by owner
                """);
            command.Parameters.Add(new() { Value = except });
            command.Parameters.Add(new() { Value = max });
            command.Parameters.Add(new() { Value = stuckBefore });
            command.Parameters.Add(new() { Value = from });
            await using var row = await command.ExecuteReaderAsync(cancellationToken);
            var (open, stuck, oldest, openOf) = (0L, 0L, now, new Dictionary<string, long>());
            while (await row.ReadAsync(cancellationToken))
            {
                open += row.GetInt64(0);
                stuck += row.GetInt64(1);
                oldest = row.GetDateTime(2) < oldest ? row.GetDateTime(2) : oldest;
                if (!row.IsDBNull(3))
                    openOf.Add(row.GetString(3), row.GetInt64(0) - row.GetInt64(1));
            }

            return ((open, stuck, (IReadOnlyDictionary<string, long>)openOf), open < max ? oldest : (DateTime?)null);
        });

    /// <summary>
    /// Returns the time for which the oldest outbox message has waited for the broker, or zero if none waits. Messages
    /// that the broker has already refused do not count: they do not delay others.
    /// </summary>
    public Task<TimeSpan> FindUnsentAgeAsync(CancellationToken cancellationToken) =>
        _unsent.Scan(async from =>
        {
            // A message that waits has a time of seconds ahead; one with a later time is scheduled.
            await using var command = database.Pool.CreateCommand("""
                select coalesce(now() - min(sent_time), '0'), least(min(enqueue_time), now())
                from outbox_message
                where enqueue_time >= $1 and enqueue_time < now() + interval '1 minute'
                    and token_id is null and parked is null and attempts = 0
                """);
            command.Parameters.Add(new() { Value = from });
            await using var row = await command.ExecuteReaderAsync(cancellationToken);
            await row.ReadAsync(cancellationToken);
            return (row.GetFieldValue<TimeSpan>(0), (DateTime?)row.GetDateTime(1));
        });
}
