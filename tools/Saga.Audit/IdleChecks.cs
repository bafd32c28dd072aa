using Npgsql;

namespace Saga.Audit;

/// <summary>
/// I6 and I9: every order is terminal and waits for nothing, no funds are held, outboxes and queues are empty, no
/// message is parked.
/// </summary>
sealed class IdleChecks(NpgsqlDataSource orders, NpgsqlDataSource accounts, BrokerQueues? broker,
    AuditFindings findings)
{
    const string OrdersThatAreOpen = """
        select order_id, current_state from orders
        where current_state not in ('Confirmed', 'Rejected', 'Cancelled') limit 1000
        """;

    const string OrdersThatAreNotCaptured =
        "select order_id from orders where current_state = 'Confirmed' and resend_time is not null limit 1000";

    const string ReservationsThatAreHeld = "select order_id from reservations where status = 'Held' limit 1000";

    const string UnsentMessages =
        "select message_id, message_type, parked is not null, last_error from outbox_message limit 1000";

    /// <summary>Polls until the system is idle or the time is over; what is pending then is a violation.</summary>
    public async Task RunAsync(DateTime end, CancellationToken cancellationToken)
    {
        while (true)
        {
            var pending = await FindPendingAsync(cancellationToken);
            if (pending.Count == 0 || DateTime.UtcNow > end)
            {
                pending.ForEach(findings.Violated);
                return;
            }

            await Task.Delay(200, cancellationToken);
        }
    }

    async Task<List<string>> FindPendingAsync(CancellationToken cancellationToken)
    {
        var pending = new List<string>();
        await foreach (var r in orders.QueryAsync(OrdersThatAreOpen, cancellationToken))
            pending.Add($"I6: order {r.GetGuid(0)} is still {r.GetString(1)}");
        await foreach (var r in orders.QueryAsync(OrdersThatAreNotCaptured, cancellationToken))
            pending.Add($"I4: order {r.GetGuid(0)} is Confirmed, and Account has not said that its funds are captured");
        await foreach (var r in accounts.QueryAsync(ReservationsThatAreHeld, cancellationToken))
            pending.Add($"I4: funds are still held for order {r.GetGuid(0)}");
        foreach (var (name, database) in new[] { ("Order", orders), ("Account", accounts) })
            await foreach (var r in database.QueryAsync(UnsentMessages, cancellationToken))
            {
                var (type, state) = (r.GetString(1).Split(';')[0], r.GetBoolean(2) ? "parked" : "unsent");
                var error = r.IsDBNull(3) ? "no error" : r.GetString(3);
                pending.Add($"I9: message {r.GetGuid(0)} ({type}) is {state} in the outbox of {name}: {error}");
            }

        if (broker != null)
            foreach (var (queue, count) in await broker.NonEmptyAsync(cancellationToken))
                pending.Add($"I9: queue {queue} holds {count} messages");
        return pending;
    }
}
