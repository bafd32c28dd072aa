using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace Saga.Load;

/// <summary>Compares two files of figures, and prints the ratio of each figure.</summary>
static class CompareCommand
{
    /// <returns>The exit code: 0; 1 if a file is not valid JSON or the files have no figure in common.</returns>
    public static async Task<int> RunAsync(FileInfo a, FileInfo b, CancellationToken cancellationToken)
    {
        if (await ReadAsync(a, cancellationToken) is not { } first
            || await ReadAsync(b, cancellationToken) is not { } second)
            return 1;
        var common = first.Keys.Where(second.ContainsKey).ToList();
        if (common.Count == 0)
        {
            await Console.Error.WriteLineAsync($"{a} and {b} have no figure in common");
            return 1;
        }

        var table = new Table().AddColumns("figure", Markup.Escape(a.ToString()), Markup.Escape(b.ToString()), "ratio")
            .RoundedBorder();
        foreach (var figure in common)
        {
            var ratio = first[figure] == 0 ? "" : Text(second[figure] / first[figure]);
            table.AddRow(Markup.Escape(figure), Text(first[figure]), Text(second[figure]), ratio);
        }

        AnsiConsole.Write(table);
        return 0;
    }

    /// <returns>The figures by name; null, with a message on the console, if the file is not valid JSON.</returns>
    static async Task<Dictionary<string, double>?> ReadAsync(FileInfo file, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = file.OpenRead();
            using var json = await JsonDocument.ParseAsync(stream, cancellationToken: cancellationToken);
            return Numbers("", json.RootElement).DistinctBy(x => x.Name).ToDictionary(x => x.Name, x => x.Value);
        }
        catch (JsonException e)
        {
            await Console.Error.WriteLineAsync($"{file} is not valid JSON: {e.Message}");
            return null;
        }
    }

    /// <summary>Flattens the figures to names and numbers. The points of a sweep are named by their rates.</summary>
    static IEnumerable<(string Name, double Value)> Numbers(string name, JsonElement element) =>
        element.ValueKind switch
        {
            JsonValueKind.Number => [(name, element.GetDouble())],
            JsonValueKind.Object => element.EnumerateObject()
                .SelectMany(x => Numbers(name == "" ? x.Name : $"{name}.{x.Name}", x.Value)),
            JsonValueKind.Array when name == "" => element.EnumerateArray()
                .Where(x => x.ValueKind == JsonValueKind.Object && x.TryGetProperty("rate", out _))
                .SelectMany(x => Numbers($"at {x.GetProperty("rate")}", x)),
            JsonValueKind.Array => element.EnumerateArray().Zip(["min", "max"])
                .SelectMany(x => Numbers($"{name}.{x.Second}", x.First)),
            _ => [],
        };

    static string Text(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
