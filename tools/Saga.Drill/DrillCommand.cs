using System.Globalization;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;
using Spectre.Console;

namespace Saga.Drill;

/// <summary>
/// Starts the system on servers of its own with a small load, and injects the faults of the drill, one after the other.
/// Each must be seen, explained, mended by one command, and leave nothing behind.
/// </summary>
/// <param name="console">The output.</param>
/// <param name="only">Only faults whose name contains this; empty: all.</param>
sealed class DrillCommand(IAnsiConsole console, string only)
{
    static readonly TimeSpan MaxSeenTime = TimeSpan.FromSeconds(30), MaxHealTime = TimeSpan.FromSeconds(60);

    /// <returns>The exit code: 0 if no step has failed and no invariant is violated.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
        console.MarkupLineInterpolated($"servers: {servers.Description}");
        return await RunAsync(servers, cancellationToken);
    }

    /// <inheritdoc cref="RunAsync(CancellationToken)" />
    public async Task<int> RunAsync(IServers servers, CancellationToken cancellationToken)
    {
        await using var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions
        {
            Suffix = $"_drill{Environment.ProcessId}",
            AccountReplicas = 2,
            WithOperations = true,
            Settings = DrillPlant.Settings,
        }, cancellationToken);
        var results = new List<DrillResult>();
        await using (var load = new DrillLoad(system))
        {
            await load.StartAsync(cancellationToken);
            var plant = new DrillPlant(system, load);
            var run = new DrillRun(plant, MaxSeenTime, MaxHealTime);
            foreach (var fault in DrillFaults.Of(plant).Where(x => x.Name.Contains(only, StringComparison.Ordinal)))
            {
                console.MarkupLineInterpolated($"{fault.Name} …");
                results.Add(await run.RunAsync(fault, cancellationToken));
            }

            console.WriteLine();
            console.Write(TableOf(results));
            console.MarkupLineInterpolated($"{load.Accepted} orders were placed meanwhile");
        }

        var failures = results.Where(x => x.Failure != null).ToList();
        foreach (var failure in failures)
            console.MarkupLineInterpolated($"[red]{failure.Fault}:[/] {failure.Failure}");
        var report = await Auditor.Of(system).AuditAsync(MaxHealTime, cancellationToken);
        foreach (var violation in report.Violations)
            console.MarkupLineInterpolated($"[red]{violation}[/]");
        if (failures.Count + report.Violations.Count > 0)
            return 1;
        console.MarkupLineInterpolated($"[green]{results.Count} faults were seen, explained and mended[/]");
        return 0;
    }

    static Table TableOf(IEnumerable<DrillResult> results)
    {
        var table = new Table().Border(TableBorder.Simple)
            .AddColumns("fault", "seen after", "by", "explained", "mended by", "healthy after");
        foreach (var x in results)
            table.AddRow(new[]
            {
                x.Fault, Seconds(x.SeenAfter), x.Sign ?? "", x.Explanation ?? "", x.Mend ?? "",
                x.Failure == null ? Seconds(x.HealthyAfter) : "failed",
            }.Select(Markup.Escape).ToArray());
        return table;
    }

    static string Seconds(TimeSpan? time) =>
        time is { } t ? string.Create(CultureInfo.InvariantCulture, $"{t.TotalSeconds:F1} s") : "";
}
