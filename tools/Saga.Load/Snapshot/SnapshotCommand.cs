using System.Globalization;
using Spectre.Console;

namespace Saga.Load;

/// <summary>
/// Offers orders at a rate, and keeps a transaction open in both databases meanwhile. Compares each of its minutes with
/// the minutes before and after it.
/// </summary>
/// <param name="options">The options of the load.</param>
/// <param name="rate">Orders per second.</param>
/// <param name="minutes">The minutes under load with the transaction; there are two before and two after it.</param>
sealed class SnapshotCommand(LoadOptions options, double rate, int minutes)
{
    const int MinutesAround = 2;

    readonly Table _table = new Table().Title($"{rate:F0} orders per second offered").RoundedBorder()
        .AddColumns("minute", "orders per second", "p50 ms", "p99 ms", "search for due messages, ms",
            "purge of the inbox, ms", "all statements, ms per order", "index entries read per order");

    int _errors;
    long _entriesRead;

    /// <returns>The exit code: 0 if no call failed, every order ended, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var session = await LoadSession.StartAsync(
            options with { MeasureStatements = true }, cancellationToken);
        if (session.Databases is not [var orders, var accounts])
            throw new InvalidOperationException("--order-database and --account-database are required");
        await StatementTimes.TakeAsync(orders, cancellationToken); // without those of the warm-up
        _entriesRead = await CountEntriesReadAsync();

        await MeasureAsync("before", MinutesAround);
        await using (await OpenSnapshot.TakeAsync(orders, cancellationToken))
        await using (await OpenSnapshot.TakeAsync(accounts, cancellationToken))
            await MeasureAsync("open", minutes);
        await MeasureAsync("after", MinutesAround);

        AnsiConsole.Write(_table);
        var report = await session.AuditAsync(cancellationToken);
        report?.Print();
        return _errors == 0 && report is { Violations.Count: 0 } ? 0 : 1;

        async Task MeasureAsync(string name, int count)
        {
            for (var minute = 1; minute <= count; minute++)
            {
                var figures = await session.MeasureAsync((int)(rate * 60), rate, cancellationToken);
                var times = await StatementTimes.TakeAsync(orders, cancellationToken);
                var (readBefore, read) = (_entriesRead, await CountEntriesReadAsync());
                _entriesRead = read;
                AddRow($"{name} {minute}", figures, times, read - readBefore);
            }
        }

        async Task<long> CountEntriesReadAsync() => await EntriesRead.CountAsync(orders, cancellationToken)
            + await EntriesRead.CountAsync(accounts, cancellationToken);
    }

    void AddRow(string name, Figures figures, StatementTimes times, long entriesRead)
    {
        _errors += figures.Errors;
        _table.AddRow([name, .. new[]
        {
            figures.OrdersPerSecond, figures.TerminalMs.P50, figures.TerminalMs.P99, times.Claim, times.Purge,
            times.All / figures.Orders, (double)entriesRead / figures.Orders,
        }.Select(x => x.ToString("0.##", CultureInfo.InvariantCulture))]);
    }
}
