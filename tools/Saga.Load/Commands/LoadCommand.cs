namespace Saga.Load;

/// <summary>Measures the rate, latency and cost of orders, once or several times, and audits the result.</summary>
sealed class LoadCommand(LoadOptions options)
{
    /// <returns>The exit code: 0 if every order ended, no call failed, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var session = await LoadSession.StartAsync(options, cancellationToken);
        var runs = new List<Figures>();
        for (var i = 0; i < options.Repeat; i++)
            runs.Add(await session.MeasureAsync(options.Orders, options.Rate, cancellationToken));

        var figures = runs.Count == 1 ? runs[0] : MedianFigures.Of(runs);
        FiguresTable.Print(figures);
        var isCorrect = await session.CheckAsync(cancellationToken);
        if (options.Json != null)
            await figures.WriteAsync(options.Json, cancellationToken);
        return figures.Errors == 0 && isCorrect ? 0 : 1;
    }
}
