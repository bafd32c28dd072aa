using System.Globalization;
using Npgsql;
using Saga.Services;

namespace Saga.Audit;

/// <summary>
/// Checks the invariants of the design on both databases, from outside: by its own SQL, sharing no code with the
/// services. I5 is judged by the ledger: funds that were captured are never given back, and the other way round.
/// </summary>
public sealed class Auditor(string orderDatabase, string accountDatabase, BrokerQueues? broker)
{
    readonly Dictionary<string, string> _counts = [];
    readonly List<string> _violations = [];

    /// <summary>For a system that runs on this machine.</summary>
    public static Auditor Of(OrderSystem system) =>
        new(system.Servers.Postgres.Admin(system.OrderDatabase), system.Servers.Postgres.Admin(system.AccountDatabase), BrokerQueues.Of(system));

    /// <summary>Waits until nothing is under way, and checks.</summary>
    /// <param name="settle">How long to wait; what is still under way then is a violation.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<AuditReport> AuditAsync(TimeSpan settle, CancellationToken cancellationToken)
    {
        await using var orders = NpgsqlDataSource.Create(orderDatabase);
        await using var accounts = NpgsqlDataSource.Create(accountDatabase);
        var end = DateTime.UtcNow + settle;
        while (true)
        {
            await QuietAsync(orders, accounts, end, cancellationToken);
            await MoneyAsync(accounts, cancellationToken);
            await FatesAsync(orders, accounts, cancellationToken);
            if (_violations.Count == 0 || _violations.Exists(x => !x.StartsWith("I4", StringComparison.Ordinal)) || DateTime.UtcNow > end)
                return new AuditReport(_counts, _violations, broker != null);

            // No queue counts a message that its consumer has and has not acknowledged yet: what it does is waited for, and looked at again.
            _violations.Clear();
            await Task.Delay(200, cancellationToken);
        }
    }

    /// <summary>I6 and I9: every order is terminal, outboxes and queues are empty, nothing is parked.</summary>
    async Task QuietAsync(NpgsqlDataSource orders, NpgsqlDataSource accounts, DateTime end, CancellationToken cancellationToken)
    {
        while (true)
        {
            var left = new List<string>();
            await foreach (var r in QueryAsync(orders, "select order_id, current_state from orders where current_state not in ('Confirmed', 'Rejected', 'Cancelled') limit 1000", cancellationToken))
                left.Add($"I6: order {r.GetGuid(0)} is still {r.GetString(1)}");
            foreach (var (name, database) in new[] { ("Order", orders), ("Account", accounts) })
                await foreach (var r in QueryAsync(database, "select message_id, message_type, parked is not null, last_error from outbox_message limit 1000", cancellationToken))
                    left.Add($"I9: message {r.GetGuid(0)} ({r.GetString(1).Split(';')[0]}) is {(r.GetBoolean(2) ? "parked" : "unsent")} in the outbox of {name}: {(r.IsDBNull(3) ? "no error" : r.GetString(3))}");
            if (broker != null)
                foreach (var (queue, count) in await broker.NotEmptyAsync(cancellationToken))
                    left.Add($"I9: queue {queue} holds {count} messages");
            if (left.Count == 0 || DateTime.UtcNow > end)
            {
                _violations.AddRange(left);
                return;
            }

            await Task.Delay(200, cancellationToken);
        }
    }

    /// <summary>I1 and I2: no money appears or disappears, nothing is below zero, the ledger explains every balance.</summary>
    async Task MoneyAsync(NpgsqlDataSource accounts, CancellationToken cancellationToken)
    {
        await foreach (var r in QueryAsync(accounts, """
            select currency, sum(available), sum(held), sum(captured),
                coalesce((select sum(e.amount) from ledger_entries e join accounts b using (account_id) where e.kind = 'Deposit' and b.currency = a.currency), 0), count(*)
            from accounts a group by currency order by currency
            """, cancellationToken))
        {
            var (currency, available, held, captured, deposits) = (r.GetString(0), r.GetDecimal(1), r.GetDecimal(2), r.GetDecimal(3), r.GetDecimal(4));
            Count($"{currency}: accounts", r.GetInt64(5));
            _counts[$"{currency}: deposits = available + held + captured"] = $"{deposits} = {available} + {held} + {captured}";
            if (deposits != available + held + captured)
                _violations.Add($"I1: {currency}: {deposits} were deposited, {available} available + {held} held + {captured} captured are there");
        }

        await foreach (var r in QueryAsync(accounts, "select account_id, available, held from accounts where available < 0 or held < 0", cancellationToken))
            _violations.Add($"I2: account {r.GetGuid(0)} has {r.GetDecimal(1)} available and {r.GetDecimal(2)} held");
        await foreach (var r in QueryAsync(accounts, "select entry_id, account_id from ledger_entries where available_after < 0 or held_after < 0", cancellationToken))
            _violations.Add($"I2: account {r.GetGuid(1)} was below zero at entry {r.GetInt64(0)}");
        await foreach (var r in QueryAsync(accounts, """
            select a.account_id from accounts a
            left join (select account_id,
                sum(case kind when 'Deposit' then amount when 'Release' then amount when 'Hold' then -amount else 0 end) available,
                sum(case kind when 'Hold' then amount when 'Deposit' then 0 else -amount end) held,
                sum(case kind when 'Capture' then amount else 0 end) captured
                from ledger_entries group by account_id) e using (account_id)
            where (a.available, a.held, a.captured) is distinct from (coalesce(e.available, 0), coalesce(e.held, 0), coalesce(e.captured, 0))
            """, cancellationToken))
            _violations.Add($"I1: the ledger of account {r.GetGuid(0)} does not add up to its balances");
        await foreach (var r in QueryAsync(accounts, """
            select entry_id, account_id from (
                select *, lag(available_after, 1, 0) over w a, lag(held_after, 1, 0) over w h, lag(captured_after, 1, 0) over w c
                from ledger_entries window w as (partition by account_id order by entry_id)) e
            where (available_after, held_after, captured_after) is distinct from (
                a + case kind when 'Deposit' then amount when 'Release' then amount when 'Hold' then -amount else 0 end,
                h + case kind when 'Hold' then amount when 'Deposit' then 0 else -amount end,
                c + case kind when 'Capture' then amount else 0 end)
            """, cancellationToken))
            _violations.Add($"I1: entry {r.GetInt64(0)} of account {r.GetGuid(1)} does not follow from the one before");
        await foreach (var r in QueryAsync(accounts, """
            select entry_id, order_id, e.account_id from ledger_entries e join accounts a using (account_id) left join reservations r using (order_id)
            where e.order_id is not null and (r.account_id is distinct from e.account_id or r.currency is distinct from a.currency)
            """, cancellationToken))
            _violations.Add($"I5: entry {r.GetInt64(0)} for order {r.GetGuid(1)} is of account {r.GetGuid(2)}, which has no such reservation");
        await foreach (var r in QueryAsync(accounts, "select count(*) from ledger_entries", cancellationToken))
            Count("ledger entries", r.GetInt64(0));
    }

    /// <summary>I3, I4 and I5: every order against its reservation and its ledger entries, by one merge over both databases.</summary>
    async Task FatesAsync(NpgsqlDataSource orders, NpgsqlDataSource accounts, CancellationToken cancellationToken)
    {
        const string Orders = "select order_id, current_state, total, currency, account_id from orders order by order_id";
        const string Reservations = """
            select r.order_id, r.status, r.amount, r.currency, r.account_id,
                coalesce(sum(e.amount) filter (where e.kind = 'Hold'), 0), coalesce(sum(e.amount) filter (where e.kind = 'Release'), 0),
                coalesce(sum(e.amount) filter (where e.kind = 'Capture'), 0)
            from reservations r left join ledger_entries e on e.order_id = r.order_id group by r.order_id order by r.order_id
            """;
        await using var left = QueryAsync(orders, Orders, cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using var right = QueryAsync(accounts, Reservations, cancellationToken).GetAsyncEnumerator(cancellationToken);
        var (hasOrder, hasReservation) = (await left.MoveNextAsync(), await right.MoveNextAsync());
        var states = new SortedDictionary<string, long>();
        while (hasOrder || hasReservation)
        {
            var side = !hasOrder ? 1 : !hasReservation ? -1 : left.Current.GetGuid(0).CompareTo(right.Current.GetGuid(0));
            if (side <= 0)
            {
                var state = left.Current.GetString(1);
                states[state] = states.GetValueOrDefault(state) + 1;
                if (side < 0 && state is "Confirmed" or "Rejected" or "Cancelled")
                    _violations.Add($"I4: order {left.Current.GetGuid(0)} is {state} without a reservation");
            }
            else
            {
                _violations.Add($"I3: there is a reservation for order {right.Current.GetGuid(0)}, which does not exist");
            }

            if (side == 0)
                Fate(left.Current, right.Current);
            if (side <= 0)
                hasOrder = await left.MoveNextAsync();
            if (side >= 0)
                hasReservation = await right.MoveNextAsync();
        }

        foreach (var (state, count) in states)
            Count($"orders {state}", count);
    }

    void Fate(NpgsqlDataReader order, NpgsqlDataReader reservation)
    {
        var (id, state, status, amount) = (order.GetGuid(0), order.GetString(1), reservation.GetString(1), reservation.GetDecimal(2));
        var (held, released, captured) = (reservation.GetDecimal(5), reservation.GetDecimal(6), reservation.GetDecimal(7));
        var isTombstone = status == "Released" && amount == 0;
        if (!isTombstone && (amount != order.GetDecimal(2) || reservation.GetString(3) != order.GetString(3)))
            _violations.Add($"I3: order {id} costs {order.GetDecimal(2)} {order.GetString(3)}, its reservation is {amount} {reservation.GetString(3)}");
        if (order.GetGuid(4) != reservation.GetGuid(4))
            _violations.Add($"I3: order {id} is of account {order.GetGuid(4)}, its reservation of {reservation.GetGuid(4)}");

        var fits = state switch
        {
            "Confirmed" => status == "Captured",
            "Rejected" => status == "Rejected",
            "Cancelled" => status is "Released" or "Rejected",
            _ => true, // not terminal: I6 says so
        };
        if (!fits)
            _violations.Add($"I4: order {id} is {state}, its reservation is {status}");
        var expected = status switch
        {
            "Captured" => (amount, 0m, amount),
            "Released" => (amount, amount, 0m),
            "Held" => (amount, 0m, 0m),
            _ => (0m, 0m, 0m),
        };
        if ((held, released, captured) != expected)
            _violations.Add($"I5: the reservation of order {id} is {status} of {amount}, its ledger has {held} held, {released} released, {captured} captured");
    }

    void Count(string name, long value) => _counts[name] = value.ToString("N0", CultureInfo.InvariantCulture);

    static async IAsyncEnumerable<NpgsqlDataReader> QueryAsync(NpgsqlDataSource database, string sql,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(sql);
        command.CommandTimeout = 300;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            yield return reader;
    }
}
