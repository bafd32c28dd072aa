using System.Data;
using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Accounts;

/// <summary>The method GetLedgerTotals. All queries read the same snapshot.</summary>
sealed class LedgerTotalsQuery(PrimaryDatabase database, EntryIds ids)
{
    const int TimeoutSeconds = 300; // for millions of accounts

    const string Balances = """
        select currency, coalesce(sum(available_after), 0), coalesce(sum(held_after), 0),
            coalesce(sum(captured_after), 0)
        from accounts a left join lateral (
            select available_after, held_after, captured_after from all_ledger_entries e
            where e.account_id = a.account_id and e.entry_id <= $1 order by e.entry_id desc limit 1) as last on true
        group by currency order by currency
        """;

    // The index ix_ledger_entries_deposits.
    const string Deposits = """
        select currency, sum(amount) from ledger_entries join accounts using (account_id)
        where kind = 'Deposit' and entry_id <= $1 group by currency
        """;

    const string Movements = """
        select currency, kind, sum(amount) from all_ledger_entries e join accounts using (account_id)
        where entry_id > $1 and entry_id <= $2 and e.create_time >= $3 and e.create_time < $4 group by currency, kind
        """;

    const string Rejections = """
        select currency, count(*) from all_reservations
        where status = 'Rejected' and order_id >= $1 and order_id <= $2 and create_time >= $3 and create_time < $4
        group by currency
        """;

    /// <summary>No order waits for its decision for longer.</summary>
    static readonly TimeSpan MaxWait = TimeSpan.FromDays(7);

    /// <summary>Sums the entries of a day.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: there is no such day.</exception>
    public async Task<LedgerTotals> ReadAsync(GetTotalsRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var (start, end) = violations.Day(request.Day, "day");
        violations.ThrowIfAny();

        var last = await ids.FindLastAsync(end, cancellationToken);
        var from = await ids.FindLastAsync(start - EntryExport.Margin, cancellationToken);
        var to = await ids.FindLastAsync(end + EntryExport.Margin, cancellationToken);
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var snapshot = await connection.BeginTransactionAsync(
            IsolationLevel.RepeatableRead, cancellationToken);
        await using var batch = new NpgsqlBatch(connection, snapshot)
        {
            Timeout = TimeoutSeconds,
            BatchCommands =
            {
                BatchSql.Command(Balances, last), BatchSql.Command(Deposits, last),
                BatchSql.Command(Movements, from, to, start, end),
                BatchSql.Command(Rejections, OrderId.First(start - MaxWait), OrderId.Last(end), start, end),
            },
        };
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        var totals = new SortedDictionary<string, LedgerTotal>(StringComparer.Ordinal);
        while (await row.ReadAsync(cancellationToken))
            AddBalances(totals, row);
        await row.NextResultAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
            totals[row.GetString(0)].DepositsUntil = Amount(row, 1);
        await row.NextResultAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
            AddMovement(totals[row.GetString(0)], row.GetString(1), Amount(row, 2));
        await row.NextResultAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
            CurrencyOf(totals, row).Rejections = row.GetInt64(1);
        return new LedgerTotals { Totals = { totals.Values } };
    }

    static void AddBalances(IDictionary<string, LedgerTotal> totals, NpgsqlDataReader row)
    {
        var total = CurrencyOf(totals, row);
        (total.AvailableAfter, total.HeldAfter, total.CapturedAfter) = (Amount(row, 1), Amount(row, 2), Amount(row, 3));
    }

    /// <summary>The totals of a row's currency: orders can be rejected in one that no account has.</summary>
    static LedgerTotal CurrencyOf(IDictionary<string, LedgerTotal> totals, NpgsqlDataReader row)
    {
        var currency = row.GetString(0);
        if (totals.TryGetValue(currency, out var known))
            return known;
        Google.Type.Money Zero() => Money.ToProto(0, currency);
        return totals[currency] = new LedgerTotal
        {
            CurrencyCode = currency,
            Deposits = Zero(),
            Holds = Zero(),
            Releases = Zero(),
            Captures = Zero(),
            AvailableAfter = Zero(),
            HeldAfter = Zero(),
            CapturedAfter = Zero(),
            DepositsUntil = Zero(),
        };
    }

    static void AddMovement(LedgerTotal total, string kind, Google.Type.Money amount)
    {
        switch (kind)
        {
            case nameof(EntryKind.Deposit):
                total.Deposits = amount;
                break;
            case nameof(EntryKind.Hold):
                total.Holds = amount;
                break;
            case nameof(EntryKind.Release):
                total.Releases = amount;
                break;
            case nameof(EntryKind.Capture):
                total.Captures = amount;
                break;
        }
    }

    static Google.Type.Money Amount(NpgsqlDataReader row, int column) =>
        Money.ToProto(row.GetDecimal(column), row.GetString(0));
}
