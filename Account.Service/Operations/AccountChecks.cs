using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// The method CheckAccounts. One statement, so that accounts and entries are as of one moment. An account's entries are
/// added in the order of their ids, so a replay can begin where the last one without a difference ended; once a day it
/// begins with the first entry again.
/// </summary>
sealed class AccountChecks(PrimaryDatabase database)
{
    const int DefaultAccounts = 100;
    const int TimeoutSeconds = 300; // accounts can have millions of entries

    /// <summary>Fewer entries are replayed again and again, which is cheaper than to remember each of them.</summary>
    const int MinNewEntries = 100;

    /// <summary>How long the result of a replay from the first entry is relied on.</summary>
    static readonly TimeSpan MaxCheckAge = TimeSpan.FromDays(1);

    const string Query = """
        with page as (
            select a.*, c.entry_id as checked_entry_id, c.full_time, coalesce(c.available, 0) as checked_available,
                coalesce(c.held, 0) as checked_held, coalesce(c.captured, 0) as checked_captured
            from (select * from accounts where account_id > $1 order by account_id limit $2) as a
                left join ledger_checks c on c.account_id = a.account_id and c.full_time > now() - $3
        ), replayed as (
            select page.*, e.* from page cross join lateral (
                select checked_available + coalesce(sum(x.available), 0) as ledger_available,
                    checked_held + coalesce(sum(x.held), 0) as ledger_held,
                    checked_captured + coalesce(sum(x.captured), 0) as ledger_captured,
                    count(*) as new_entries, max(entry_id) as last_entry_id,
                    min(entry_id) filter (where (available_after, held_after, captured_after) is distinct from
                        (available_before + x.available, held_before + x.held, captured_before + x.captured)) as broken
                from (
                    select *, lag(available_after, 1, checked_available) over w as available_before,
                        lag(held_after, 1, checked_held) over w as held_before,
                        lag(captured_after, 1, checked_captured) over w as captured_before,
                        case when kind in ('Deposit', 'Release') then amount when kind = 'Hold' then -amount else 0 end
                            as available,
                        case when kind = 'Hold' then amount when kind in ('Release', 'Capture') then -amount else 0 end
                            as held,
                        case when kind = 'Capture' then amount else 0 end as captured
                    from all_ledger_entries entry
                    where entry.account_id = page.account_id and entry_id > coalesce(checked_entry_id, 0)
                    window w as (order by entry_id)
                ) as x) as e
        ), remembered as (
            insert into ledger_checks (account_id, entry_id, available, held, captured, full_time)
            select account_id, last_entry_id, available, held, captured, coalesce(full_time, now()) from replayed
            where new_entries >= $4 and broken is null
                and (available, held, captured) = (ledger_available, ledger_held, ledger_captured)
            order by account_id
            on conflict (account_id) do update set entry_id = excluded.entry_id, available = excluded.available,
                held = excluded.held, captured = excluded.captured, full_time = excluded.full_time
        )
        select account_id, currency, available, held, captured, ledger_available, ledger_held, ledger_captured, broken
        from replayed order by account_id
        """;

    /// <summary>Replays the ledgers of the next accounts.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public async Task<CheckAccountsResponse> RunAsync(
        CheckAccountsRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var after = violations.OptionalId(request.AfterAccountId, "after_account_id") ?? Guid.Empty;
        var size = violations.Limit(request.PageSize, "page_size", DefaultAccounts);
        violations.ThrowIfAny();

        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Query, connection);
        command.CommandTimeout = TimeoutSeconds;
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = size });
        command.Parameters.Add(new() { Value = MaxCheckAge });
        command.Parameters.Add(new() { Value = MinNewEntries });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        var response = new CheckAccountsResponse();
        while (await row.ReadAsync(cancellationToken))
        {
            response.Checked++;
            response.LastAccountId = $"{row.GetGuid(0)}";
            if (Describe(row) is { Length: > 0 } difference)
                response.Differences.Add(new AccountDifference
                {
                    AccountId = response.LastAccountId,
                    Difference = difference,
                });
        }

        return response;
    }

    static string Describe(NpgsqlDataReader row)
    {
        var currency = row.GetString(1);
        var differences = new[] { "available", "held", "captured" }.Index()
            .Select(x => (Name: x.Item, Balance: row.GetDecimal(2 + x.Index), Ledger: row.GetDecimal(5 + x.Index)))
            .Where(x => x.Balance != x.Ledger)
            .Select(x => $"{x.Name} is {x.Balance} {currency}, but the ledger adds up to {x.Ledger} {currency}")
            .ToList();
        if (!row.IsDBNull(8))
            differences.Add($"entry {row.GetInt64(8)} does not follow from the entry before it");
        return string.Join("; ", differences);
    }
}
