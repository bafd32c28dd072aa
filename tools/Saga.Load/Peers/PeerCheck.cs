using System.Globalization;
using Npgsql;
using Spectre.Console;

namespace Saga.Load;

/// <summary>
/// Checks that a peer has lost and doubled nothing. It replaces the audit, which knows only the services' tables.
/// </summary>
static class PeerCheck
{
    /// <summary>The maximum time to wait for the captures of the last orders.</summary>
    static readonly TimeSpan MaxSettle = TimeSpan.FromSeconds(30);

    const string OrderTotals = """
        select count(*), count(*) filter (where current_state = 'Confirmed'), coalesce(sum(total), 0),
            {0}
        from orders
        """;

    const string AccountTotals = """
        select
            (select coalesce(sum(amount), 0) from ledger_entries where kind = 'Deposit')
                - (select coalesce(sum(balance), 0) from accounts),
            (select coalesce(sum(amount), 0) from reservations where status = 'Captured'),
            (select count(*) from (
                select from ledger_entries where order_id is not null group by order_id
                having array_agg(kind order by entry_id) = array['Hold', 'Capture']) as complete),
            (select count(*) from ledger_entries where order_id is not null),
            {0}
        """;

    /// <summary>Waits until no order is pending, checks the sums, and prints them.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="orderDatabase">The connection string of the role <c>order</c>.</param>
    /// <param name="accountDatabase">The connection string of the role <c>account</c>.</param>
    /// <param name="cancellationToken">Cancels the check.</param>
    /// <returns>Whether every sum is exact.</returns>
    public static async Task<bool> RunAsync(Peer peer, string orderDatabase, string accountDatabase,
        CancellationToken cancellationToken)
    {
        var end = DateTime.UtcNow + MaxSettle;
        while (true)
        {
            var order = await ReadAsync(orderDatabase, Sql(OrderTotals), cancellationToken);
            var account = await ReadAsync(accountDatabase, Sql(AccountTotals), cancellationToken);
            var (orders, confirmed, total) = (order[0], order[1], order[2]);
            var (debits, captured, complete, entries) = (account[0], account[1], account[2], account[3]);
            var unfinished = order[3] + account[4];
            var isExact = confirmed == orders && debits == total && captured == total && complete == orders
                && entries == 2 * orders && unfinished == 0;
            if (isExact || DateTime.UtcNow > end)
            {
                Print(isExact, ("orders", orders), ("confirmed orders", confirmed), ("sum of order totals", total),
                    ("sum of debits", debits), ("sum of captured reservations", captured),
                    ("orders with a hold and a capture", complete), ("ledger entries of orders", entries),
                    ("messages to send or to handle", unfinished));
                return isExact;
            }

            await Task.Delay(200, cancellationToken);
        }

        string Sql(string totals) => totals.Replace("{0}", peer.UnfinishedMessages, StringComparison.Ordinal);
    }

    static void Print(bool isExact, params (string Name, decimal Value)[] counts)
    {
        var table = new Table().Title("exactness check").AddColumns("count", "").RoundedBorder();
        table.Columns[1].RightAligned();
        foreach (var (name, value) in counts)
            table.AddRow(name, value.ToString("0.####", CultureInfo.InvariantCulture));
        AnsiConsole.Write(table);
        AnsiConsole.MarkupLine(isExact ? "[green]exact: no order and no amount is lost or doubled[/]"
            : "[red]not exact: orders are pending, lost or doubled[/]");
    }

    static async Task<decimal[]> ReadAsync(string database, string sql, CancellationToken cancellationToken)
    {
        await using var source = NpgsqlDataSource.Create($"{database};Pooling=false");
        await using var command = source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return [.. Enumerable.Range(0, reader.FieldCount)
            .Select(i => Convert.ToDecimal(reader.GetValue(i), CultureInfo.InvariantCulture))];
    }
}
