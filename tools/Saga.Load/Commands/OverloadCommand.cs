using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace Saga.Load;

/// <summary>Overloads the system, and compares its rate and latency before and after the overload.</summary>
/// <param name="options">The options of the load.</param>
/// <param name="factor">The offered rate as a multiple of the measured maximum.</param>
/// <param name="duration">The duration of the overload.</param>
sealed class OverloadCommand(LoadOptions options, double factor, TimeSpan duration)
{
    const double NormalRate = 200;
    static readonly TimeSpan NormalDuration = TimeSpan.FromSeconds(20);
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    /// <returns>The exit code: 0 if no call failed, every order ended, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var session = await LoadSession.StartAsync(options, cancellationToken);
        var maximum = await session.MeasureAsync(options.Orders, 0, cancellationToken);
        var before = await MeasureNormalAsync(session, cancellationToken);
        var rate = maximum.OrdersPerSecond * factor;
        Console.WriteLine($"overload: {rate:F0} calls per second for {duration.TotalSeconds:F0} s");
        var overload = await session.OverloadAsync(rate, duration, cancellationToken);
        var pause = Pause - Stopwatch.GetElapsedTime(overload.EndedAt);
        await Task.Delay(pause > TimeSpan.Zero ? pause : TimeSpan.Zero, cancellationToken);
        var after = await MeasureNormalAsync(session, cancellationToken);
        // The same measurement as at the start shows whether the machine's own speed has changed.
        var maximumAgain = await session.MeasureAsync(options.Orders, 0, cancellationToken);

        var table = new Table().Title("overload").RoundedBorder()
            .AddColumns("", "orders per second", "p50 ms", "p99 ms", "rejected calls", "errors");
        AddRow(table, $"{options.Clients} clients", maximum);
        AddRow(table, "normal rate, before", before);
        AddRow(table, $"{factor:0.#} times the maximum rate", overload.OrdersPerSecond, null, overload.RejectedCalls,
            overload.Errors);
        AddRow(table, $"normal rate, {Pause.TotalSeconds:F0} s after", after);
        AddRow(table, $"{options.Clients} clients again", maximumAgain);
        AnsiConsole.Write(table);

        var report = await session.AuditAsync(cancellationToken);
        report?.Print();
        var errors = maximum.Errors + before.Errors + overload.Errors + after.Errors + maximumAgain.Errors;
        return errors == 0 && report is null or { Violations.Count: 0 } ? 0 : 1;
    }

    static void AddRow(Table table, string name, Figures x) =>
        AddRow(table, name, x.OrdersPerSecond, x.TerminalMs, x.RejectedCalls, x.Errors);

    static void AddRow(Table table, string name, double rate, Latency? latency, int rejectedCalls, int errors) =>
        table.AddRow([name, .. new[] { rate, latency?.P50, latency?.P99, rejectedCalls, errors }
            .Select(x => x?.ToString("0.#", CultureInfo.InvariantCulture) ?? "")]);

    static Task<Figures> MeasureNormalAsync(LoadSession session, CancellationToken cancellationToken) =>
        session.MeasureAsync((int)(NormalRate * NormalDuration.TotalSeconds), NormalRate, cancellationToken,
            withUsage: false);
}
