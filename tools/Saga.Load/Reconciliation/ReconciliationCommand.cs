using System.Diagnostics;
using System.Globalization;
using Operations.V1;
using Saga.Services;
using Spectre.Console;

namespace Saga.Load;

/// <summary>
/// Offers orders at a rate, in turn without and with Operations.Service, which compares them and all finished orders
/// with their reservations. Then plants mismatches, and waits until they are found, for at most two rounds.
/// </summary>
/// <param name="options">The options of the load; the turns are repeated as often as they say.</param>
/// <param name="rate">Orders per second.</param>
/// <param name="turn">The time of each turn.</param>
sealed class ReconciliationCommand(LoadOptions options, double rate, TimeSpan turn)
{
    /// <summary>A round over a million orders takes about 20 minutes.</summary>
    static readonly TimeSpan MaxRoundTime = TimeSpan.FromMinutes(60);

    readonly Table _table = new Table().Title($"{rate:F0} orders per second offered").RoundedBorder().AddColumns(
        "turn", "orders per second", "p50 ms", "p99 ms", "CPU per order, ms", "of Operations.Service, ms");

    int _errors;

    /// <returns>
    /// The exit code: 0 if no call failed, there was no false alarm, and all planted mismatches were found.
    /// </returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var session = await LoadSession.StartAsync(
            options with { WithOperations = true }, cancellationToken);
        if (session is not { Operations: { } operations, Databases: [var orders, var accounts] })
            throw new InvalidOperationException("the services must be started here");
        var client = new OperationsService.OperationsServiceClient(operations.Channel);
        for (var i = 1; i <= options.Repeat; i++)
        {
            await operations.KillAsync();
            await MeasureAsync(session, $"without {i}", null, cancellationToken);
            operations.Start();
            await operations.WaitUntilReadyAsync(cancellationToken);
            await MeasureAsync(session, $"with {i}", operations, cancellationToken);
        }

        var alarms = (await WaitForRoundsAsync(session, client, [], cancellationToken)).Found;
        foreach (var alarm in alarms)
            AnsiConsole.MarkupLineInterpolated($"[red]false alarm: {alarm}[/]");

        var planted = await PlantedMismatches.PlantAsync(orders, accounts, options.Grow, cancellationToken);
        var (time, found) = await WaitForRoundsAsync(session, client, planted, cancellationToken);
        var missing = planted.Except(found).ToList();
        var others = found.Except(planted).Except(alarms).ToList();
        AnsiConsole.Write(_table);
        Console.WriteLine($"planted {planted.Count} mismatches of {planted.Select(x => x.Kind).Distinct().Count()} "
            + $"kinds; found {planted.Count - missing.Count} of them within {time.TotalSeconds:F0} s, "
            + $"and {others.Count} others; {alarms.Count} false alarms before");
        foreach (var mismatch in missing)
            AnsiConsole.MarkupLineInterpolated($"[red]not found: {mismatch}[/]");
        foreach (var mismatch in others)
            AnsiConsole.MarkupLineInterpolated($"[red]found, but not planted: {mismatch}[/]");
        return _errors + alarms.Count + missing.Count + others.Count == 0 ? 0 : 1;
    }

    async Task MeasureAsync(LoadSession session, string name, ServiceReplica? operations,
        CancellationToken cancellationToken)
    {
        var before = Cpu(operations);
        var figures = await session.MeasureAsync((int)(rate * turn.TotalSeconds), rate, cancellationToken);
        var used = (Cpu(operations) - before).TotalMilliseconds / figures.Orders;
        _errors += figures.Errors;
        _table.AddRow([name, .. new[]
        {
            figures.OrdersPerSecond, figures.TerminalMs.P50, figures.TerminalMs.P99,
            figures.CpuMsPerOrder.Where(x => x.Key != "load").Sum(x => x.Value), used,
        }.Select(x => x.ToString("0.###", CultureInfo.InvariantCulture))]);
    }

    static TimeSpan Cpu(ServiceReplica? service)
    {
        if (service == null)
            return TimeSpan.Zero;
        using var process = Process.GetProcessById(service.ProcessId);
        return process.TotalProcessorTime;
    }

    /// <summary>
    /// Goes on with the load until all orders and accounts were compared from the first to the last one, or all
    /// expected mismatches are found.
    /// </summary>
    async Task<(TimeSpan Time, IReadOnlyList<(string, string)> Found)> WaitForRoundsAsync(LoadSession session,
        OperationsService.OperationsServiceClient client, IReadOnlyList<(string, string)> expected,
        CancellationToken cancellationToken)
    {
        var start = Stopwatch.StartNew();
        var first = await ReadAsync();
        while (true)
        {
            var figures = await session.MeasureAsync((int)(rate * 10), rate, cancellationToken, withUsage: false);
            _errors += figures.Errors;
            var now = await ReadAsync();
            var found = now.Mismatches.Select(x => (x.SubjectId, x.Kind)).ToList();
            // The round that was under way began before; only the one after it is whole.
            var isDone = first.Progress.Where(x => !IsRecent(x)).All(x =>
                now.Progress.Single(y => y.Subject == x.Subject).Rounds >= x.Rounds + 2);
            if (isDone || (expected.Count > 0 && expected.All(found.Contains)) || start.Elapsed > MaxRoundTime)
                return (start.Elapsed, found);
            Console.WriteLine($"{start.Elapsed.TotalSeconds:F0} s: compared "
                + string.Join(", ", now.Progress.Select(x => $"{x.CheckedInRound} {x.Subject}")));
        }

        static bool IsRecent(ReconciliationProgress x) => x.Subject.StartsWith("Recent", StringComparison.Ordinal);

        async Task<Reconciliation> ReadAsync() => await client.GetReconciliationAsync(
            new GetReconciliationRequest { MaxMismatches = 1000 }, cancellationToken: cancellationToken);
    }
}
