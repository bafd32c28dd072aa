using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Accounts;

/// <summary>The method CheckAccounts. One statement, so that accounts and entries are as of one moment.</summary>
sealed class AccountChecks(NpgsqlDataSource database)
{
    const int DefaultAccounts = 100;
    const int TimeoutSeconds = 300; // accounts can have millions of entries

    const string Query = """
        select account_id, currency, a.available, a.held, a.captured, e.available, e.held, e.captured, e.broken
        from (select * from accounts where account_id > $1 order by account_id limit $2) as a cross join lateral (
            select coalesce(sum(x.available), 0) as available, coalesce(sum(x.held), 0) as held,
                coalesce(sum(x.captured), 0) as captured,
                min(entry_id) filter (where (available_after, held_after, captured_after) is distinct from
                    (available_before + x.available, held_before + x.held, captured_before + x.captured)) as broken
            from (
                select *, lag(available_after, 1, 0) over w as available_before,
                    lag(held_after, 1, 0) over w as held_before, lag(captured_after, 1, 0) over w as captured_before,
                    case when kind in ('Deposit', 'Release') then amount when kind = 'Hold' then -amount else 0 end
                        as available,
                    case when kind = 'Hold' then amount when kind in ('Release', 'Capture') then -amount else 0 end
                        as held,
                    case when kind = 'Capture' then amount else 0 end as captured
                from all_ledger_entries entry where entry.account_id = a.account_id window w as (order by entry_id)
            ) as x) as e
        order by account_id
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

        await using var command = database.CreateCommand(Query);
        command.CommandTimeout = TimeoutSeconds;
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = size });
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
