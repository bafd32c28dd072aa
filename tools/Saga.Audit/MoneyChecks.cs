using Npgsql;

namespace Saga.Audit;

/// <summary>
/// I1, I2 and part of I5: money neither appears nor disappears, no balance is negative, the ledger explains every
/// balance.
/// </summary>
sealed class MoneyChecks(NpgsqlDataSource accounts, AuditFindings findings)
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await CheckTotalsAsync(cancellationToken);
        await CheckBalancesAsync(cancellationToken);
        await CheckLedgerAsync(cancellationToken);
        await foreach (var r in accounts.QueryAsync("select count(*) from all_ledger_entries", cancellationToken))
            findings.Count("ledger entries", r.GetInt64(0));
    }

    async Task CheckTotalsAsync(CancellationToken cancellationToken)
    {
        await foreach (var r in accounts.QueryAsync("""
            select currency, sum(available), sum(held), sum(captured),
                coalesce((select sum(e.amount) from all_ledger_entries e join accounts b using (account_id)
                    where e.kind = 'Deposit' and b.currency = a.currency), 0), count(*)
            from accounts a group by currency order by currency
            """, cancellationToken))
        {
            var (currency, deposits) = (r.GetString(0), r.GetDecimal(4));
            var (available, held, captured) = (r.GetDecimal(1), r.GetDecimal(2), r.GetDecimal(3));
            findings.Count($"{currency}: accounts", r.GetInt64(5));
            findings.Count($"{currency}: deposits = available + held + captured",
                $"{deposits} = {available} + {held} + {captured}");
            if (deposits != available + held + captured)
                findings.Violated($"I1: {currency}: deposits are {deposits}, "
                    + $"but {available} available + {held} held + {captured} captured exist");
        }
    }

    async Task CheckBalancesAsync(CancellationToken cancellationToken)
    {
        await foreach (var r in accounts.QueryAsync(
            "select account_id, available, held from accounts where available < 0 or held < 0", cancellationToken))
            findings.Violated($"I2: account {r.GetGuid(0)} has {r.GetDecimal(1)} available and {r.GetDecimal(2)} held");
        await foreach (var r in accounts.QueryAsync(
            "select entry_id, account_id from all_ledger_entries where available_after < 0 or held_after < 0",
            cancellationToken))
            findings.Violated($"I2: account {r.GetGuid(1)} had a negative balance at entry {r.GetInt64(0)}");
    }

    /// <summary>Compares the ledger with the balances, with itself, and with the reservations (I5).</summary>
    async Task CheckLedgerAsync(CancellationToken cancellationToken)
    {
        await foreach (var r in accounts.QueryAsync("""
            select a.account_id from accounts a
            left join (select account_id,
                sum(case kind when 'Deposit' then amount when 'Release' then amount
                    when 'Hold' then -amount else 0 end) available,
                sum(case kind when 'Hold' then amount when 'Deposit' then 0 else -amount end) held,
                sum(case kind when 'Capture' then amount else 0 end) captured
                from all_ledger_entries group by account_id) e using (account_id)
            where (a.available, a.held, a.captured) is distinct from
                (coalesce(e.available, 0), coalesce(e.held, 0), coalesce(e.captured, 0))
            """, cancellationToken))
            findings.Violated($"I1: the ledger of account {r.GetGuid(0)} does not add up to its balances");
        await foreach (var r in accounts.QueryAsync("""
            select entry_id, account_id from (
                select *, lag(available_after, 1, 0) over w a, lag(held_after, 1, 0) over w h,
                    lag(captured_after, 1, 0) over w c
                from all_ledger_entries window w as (partition by account_id order by entry_id)) e
            where (available_after, held_after, captured_after) is distinct from (
                a + case kind when 'Deposit' then amount when 'Release' then amount when 'Hold' then -amount else 0 end,
                h + case kind when 'Hold' then amount when 'Deposit' then 0 else -amount end,
                c + case kind when 'Capture' then amount else 0 end)
            """, cancellationToken))
            findings.Violated(
                $"I1: entry {r.GetInt64(0)} of account {r.GetGuid(1)} does not follow from the previous entry");
        await foreach (var r in accounts.QueryAsync("""
            select entry_id, order_id, e.account_id
            from all_ledger_entries e join accounts a using (account_id) left join all_reservations r using (order_id)
            where e.order_id is not null
                and (r.account_id is distinct from e.account_id or r.currency is distinct from a.currency)
            """, cancellationToken))
            findings.Violated($"I5: entry {r.GetInt64(0)} for order {r.GetGuid(1)} is in account {r.GetGuid(2)}, "
                + "which has no reservation of that order");
    }
}
