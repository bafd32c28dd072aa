using Npgsql;

namespace Saga.Audit;

/// <summary>
/// I3, I4 and I5: every order agrees with its reservation, and the reservation with its ledger entries.
/// </summary>
sealed class OrderChecks(NpgsqlDataSource orders, NpgsqlDataSource accounts, AuditFindings findings)
{
    const string Orders =
        "select order_id, current_state, total, currency, account_id from all_orders order by order_id";

    const string Reservations = """
        select r.order_id, r.status, r.amount, r.currency, r.account_id,
            coalesce(sum(e.amount) filter (where e.kind = 'Hold'), 0),
            coalesce(sum(e.amount) filter (where e.kind = 'Release'), 0),
            coalesce(sum(e.amount) filter (where e.kind = 'Capture'), 0)
        from all_reservations r left join all_ledger_entries e on e.order_id = r.order_id
        group by r.order_id, r.status, r.amount, r.currency, r.account_id order by r.order_id
        """;

    /// <summary>Merges the sorted orders and reservations of both databases.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var left = orders.QueryAsync(Orders, cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using var right = accounts.QueryAsync(Reservations, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        var (hasOrder, hasReservation) = (await left.MoveNextAsync(), await right.MoveNextAsync());
        var states = new SortedDictionary<string, long>();
        while (hasOrder || hasReservation)
        {
            var side = !hasOrder ? 1 : !hasReservation ? -1
                : left.Current.GetGuid(0).CompareTo(right.Current.GetGuid(0));
            if (side <= 0)
            {
                var state = left.Current.GetString(1);
                states[state] = states.GetValueOrDefault(state) + 1;
                if (side < 0 && state is "Confirmed" or "Rejected" or "Cancelled")
                    findings.Violated($"I4: order {left.Current.GetGuid(0)} is {state} without a reservation");
            }
            else
            {
                findings.Violated(
                    $"I3: a reservation exists for order {right.Current.GetGuid(0)}, which does not exist");
            }

            if (side == 0)
                Compare(left.Current, right.Current);
            if (side <= 0)
                hasOrder = await left.MoveNextAsync();
            if (side >= 0)
                hasReservation = await right.MoveNextAsync();
        }

        foreach (var (state, count) in states)
            findings.Count($"orders {state}", count);
    }

    void Compare(NpgsqlDataReader order, NpgsqlDataReader reservation)
    {
        var (id, state) = (order.GetGuid(0), order.GetString(1));
        var (status, amount) = (reservation.GetString(1), reservation.GetDecimal(2));
        var (held, released, captured) =
            (reservation.GetDecimal(5), reservation.GetDecimal(6), reservation.GetDecimal(7));
        var isTombstone = status == "Released" && amount == 0;
        if (!isTombstone && (amount != order.GetDecimal(2) || reservation.GetString(3) != order.GetString(3)))
            findings.Violated($"I3: order {id} has the total {order.GetDecimal(2)} {order.GetString(3)}, "
                + $"its reservation has {amount} {reservation.GetString(3)}");
        if (order.GetGuid(4) != reservation.GetGuid(4))
            findings.Violated(
                $"I3: order {id} has account {order.GetGuid(4)}, its reservation has {reservation.GetGuid(4)}");

        var isConsistent = state switch
        {
            "Confirmed" => status == "Captured",
            "Rejected" => status == "Rejected",
            "Cancelled" => status is "Released" or "Rejected",
            _ => true, // not terminal: a violation of I6
        };
        if (!isConsistent)
            findings.Violated($"I4: order {id} is {state}, its reservation is {status}");
        var expected = status switch
        {
            "Captured" => (amount, 0m, amount),
            "Released" => (amount, amount, 0m),
            "Held" => (amount, 0m, 0m),
            _ => (0m, 0m, 0m),
        };
        if ((held, released, captured) != expected)
            findings.Violated($"I5: the reservation of order {id} over {amount} is {status}, "
                + $"its ledger entries are {held} held, {released} released, {captured} captured");
    }
}
