using System.Diagnostics;
using Npgsql;

namespace Saga.Load;

/// <summary>Fills both databases with confirmed orders, as if they had been placed one after the other.</summary>
static class Growth
{
    /// <summary>The number of accounts that paid the orders.</summary>
    public const int Accounts = 1000;

    /// <summary>
    /// Inserts orders of one euro on a thousand accounts in turn; the accounts have no funds left afterwards.
    /// </summary>
    /// <exception cref="InvalidOperationException">The databases are unknown.</exception>
    public static async Task FillAsync(Target target, int rows, CancellationToken cancellationToken)
    {
        if (rows <= 0)
            return;
        if (target is not { OrderDatabase: { } orders, AccountDatabase: { } accounts })
            throw new InvalidOperationException("--grow requires --order-database and --account-database");
        var start = Stopwatch.StartNew();
        var each = (rows + Accounts - 1) / Accounts;
        await ExecuteAsync(orders, $"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
                resend_time)
            select {Id('7', "n")}, 'Confirmed', {Id('a', $"n % {Accounts}")},
                '[{"{"}"Sku":"grown","Quantity":1,"UnitPrice":1{"}"}]', 1, 'EUR', t, t, null
            from generate_series(0, {each * Accounts - 1}) n,
                lateral (select now() - interval '1 day' + n * interval '1 ms') as at (t)
            """, cancellationToken);
        await ExecuteAsync(accounts, $"""
            insert into accounts (account_id, currency, available, held, captured, create_time, update_time)
            select {Id('a', "a")}, 'EUR', 0, 0, {each}, now(), now() from generate_series(0, {Accounts - 1}) a
            """, cancellationToken);
        await ExecuteAsync(accounts, $"""
            insert into ledger_entries
                (account_id, kind, amount, available_after, held_after, captured_after, create_time)
            select {Id('a', "a")}, 'Deposit', {each}, {each}, 0, 0, now() from generate_series(0, {Accounts - 1}) a
            """, cancellationToken);
        await ExecuteAsync(accounts, $"""
            insert into reservations (order_id, account_id, amount, currency, status, create_time, update_time)
            select {Id('7', "n")}, {Id('a', $"n % {Accounts}")}, 1, 'EUR', 'Captured', now(), now()
            from generate_series(0, {each * Accounts - 1}) n
            """, cancellationToken);
        await ExecuteAsync(accounts, $"""
            insert into ledger_entries
                (account_id, order_id, kind, amount, available_after, held_after, captured_after, create_time)
            select {Id('a', $"n % {Accounts}")}, {Id('7', "n")}, kind, 1, {each} - 1 - n / {Accounts},
                case kind when 'Hold' then 1 else 0 end, n / {Accounts} + case kind when 'Hold' then 0 else 1 end, now()
            from generate_series(0, {each * Accounts - 1}) n,
                unnest(array['Hold', 'Capture']) with ordinality as k (kind, o)
            order by n, o
            """, cancellationToken);
        foreach (var database in new[] { orders, accounts })
            await ExecuteAsync(database, "vacuum analyze", cancellationToken);
        Console.WriteLine($"inserted {each * Accounts} finished orders in {start.Elapsed.TotalSeconds:F0} s");
    }

    /// <summary>The id of the nth order.</summary>
    public static Guid OrderId(int n) => Guid.Parse($"00000000-0000-7000-8000-{n:x12}");

    /// <summary>The id of the nth account.</summary>
    public static Guid AccountId(int n) => Guid.Parse($"00000000-0000-a000-8000-{n:x12}");

    /// <summary>The SQL of a UUID from a number: ordered by the number, and before every new id.</summary>
    static string Id(char version, string number) =>
        $"('00000000-0000-{version}000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid";

    static async Task ExecuteAsync(string database, string sql, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(database);
        await connection.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 1800 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
