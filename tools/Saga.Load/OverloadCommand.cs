using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace Saga.Load;

/// <summary>Offers more than the system can do, for long, and compares its rate and its latency afterwards with those before.</summary>
sealed class OverloadCommand(LoadOptions options, double factor, TimeSpan duration)
{
    const double NormalRate = 200;
    static readonly TimeSpan Normal = TimeSpan.FromSeconds(20);
    static readonly TimeSpan Rest = TimeSpan.FromSeconds(10);

    /// <returns>The exit code: 0 if no call failed, every order ended, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var session = await LoadSession.StartAsync(options, cancellationToken);
        var best = await session.MeasureAsync(options.Orders, 0, cancellationToken);
        var before = await MeasureNormalAsync(session, cancellationToken);
        var rate = best.OrdersPerSecond * factor;
        Console.WriteLine($"overload: {rate:F0} calls a second for {duration.TotalSeconds:F0} s");
        var overload = await session.OverloadAsync(rate, duration, cancellationToken);
        var rest = Rest - Stopwatch.GetElapsedTime(overload.OverAt);
        await Task.Delay(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, cancellationToken);
        var after = await MeasureNormalAsync(session, cancellationToken);
        var again = await session.MeasureAsync(options.Orders, 0, cancellationToken); // a machine that changes its speed shows here

        var table = new Table().Title("overload").AddColumns("", "orders a second", "p50 ms", "p99 ms", "sent away", "errors").RoundedBorder();
        void Add(string name, double done, Latency? latency, int sentAway, int errors) => table.AddRow([name, .. new[] { done, latency?.P50, latency?.P99, sentAway, errors }
            .Select(x => x?.ToString("0.#", CultureInfo.InvariantCulture) ?? "")]);
        void AddMeasured(string name, Figures x) => Add(name, x.OrdersPerSecond, x.TerminalMs, x.SentAway, x.Errors);
        AddMeasured($"{options.Clients} clients", best);
        AddMeasured("normal, before", before);
        Add($"{factor:0.#} times as many calls", overload.OrdersPerSecond, null, overload.SentAway, overload.Errors);
        AddMeasured($"normal, {Rest.TotalSeconds:F0} s after", after);
        AddMeasured($"{options.Clients} clients again", again);
        AnsiConsole.Write(table);

        var report = await session.AuditAsync(cancellationToken);
        report?.Print();
        return best.Errors + before.Errors + overload.Errors + after.Errors + again.Errors == 0 && report is null or { Violations.Count: 0 } ? 0 : 1;
    }

    static Task<Figures> MeasureNormalAsync(LoadSession session, CancellationToken cancellationToken) =>
        session.MeasureAsync((int)(NormalRate * Normal.TotalSeconds), NormalRate, cancellationToken, metered: false);
}

/// <summary>What was done while more was offered.</summary>
/// <param name="OrdersPerSecond">That reached their terminal status.</param>
/// <param name="SentAway">Calls that were told to come again later, and did.</param>
/// <param name="Errors">Calls that failed otherwise, and orders that did not end.</param>
/// <param name="OverAt">When no more was offered, by <see cref="Stopwatch" />.</param>
sealed record Overload(double OrdersPerSecond, int SentAway, int Errors, long OverAt);
