using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace Saga.Load.Run;

/// <summary>Two files of figures side by side, with the second as a multiple of the first.</summary>
static class CompareCommand
{
    /// <returns>The exit code: 0, or 1 if the files have no figure in common.</returns>
    public static async Task<int> RunAsync(FileInfo a, FileInfo b, CancellationToken cancellationToken)
    {
        var (first, second) = (await ReadAsync(a, cancellationToken), await ReadAsync(b, cancellationToken));
        var common = first.Keys.Where(second.ContainsKey).ToList();
        var table = new Table().AddColumns("figure", a.Name, b.Name, "ratio").RoundedBorder();
        foreach (var figure in common)
            table.AddRow(figure, Text(first[figure]), Text(second[figure]), first[figure] == 0 ? "" : Text(second[figure] / first[figure]));
        AnsiConsole.Write(table);
        return common.Count > 0 ? 0 : 1;
    }

    static async Task<Dictionary<string, double>> ReadAsync(FileInfo file, CancellationToken cancellationToken)
    {
        await using var stream = file.OpenRead();
        using var json = await JsonDocument.ParseAsync(stream, cancellationToken: cancellationToken);
        return Numbers("", json.RootElement).ToDictionary(x => x.Name, x => x.Value);
    }

    static IEnumerable<(string Name, double Value)> Numbers(string name, JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Number => [(name, element.GetDouble())],
        JsonValueKind.Object => element.EnumerateObject().Where(x => x.Name != "spread")
            .SelectMany(x => Numbers(name == "" ? x.Name : $"{name}.{x.Name}", x.Value)),
        _ => [],
    };

    static string Text(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
