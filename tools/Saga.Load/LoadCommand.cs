using Spectre.Console;

namespace Saga.Load;

/// <summary>Places orders, once or several times, and says how fast and at what cost; then audits.</summary>
sealed class LoadCommand(LoadOptions options)
{
    /// <returns>The exit code: 0 if every order ended, no call failed, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var session = await LoadSession.StartAsync(options, cancellationToken);
        var all = new List<Figures>();
        for (var i = 0; i < options.Repeat; i++)
            all.Add(await session.MeasureAsync(options.Orders, options.Rate, cancellationToken));

        var figures = all.Count == 1 ? all[0] : Figures.Median(all);
        figures.Print();
        var report = await session.AuditAsync(cancellationToken);
        if (report == null)
            AnsiConsole.MarkupLine("[yellow]not audited: give --order-database and --account-database for that[/]");
        report?.Print();
        if (options.Json != null)
            await figures.WriteAsync(options.Json, cancellationToken);
        return figures.Errors == 0 && report is null or { Violations.Count: 0 } ? 0 : 1;
    }
}
