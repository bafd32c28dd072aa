using System.Text.Json;

namespace Saga.Tests.Support;

/// <summary>Grafana's dashboard in <c>deploy/grafana</c>.</summary>
sealed class GrafanaDashboard
{
    GrafanaDashboard(JsonElement root) => Panels = [.. root.GetProperty("panels").EnumerateArray()];

    /// <summary>The panels, and the rows that group them.</summary>
    public IReadOnlyList<JsonElement> Panels { get; }

    /// <summary>The panels that show something.</summary>
    public IReadOnlyList<JsonElement> Charts =>
        [.. Panels.Where(x => x.GetProperty("type").GetString() != "row")];

    /// <summary>What all panels ask Prometheus for.</summary>
    public IReadOnlyList<string> Queries => [.. Charts.SelectMany(x => x.GetProperty("targets").EnumerateArray())
        .Select(x => x.GetProperty("expr").GetString()!)];

    /// <summary>Reads the file.</summary>
    public static GrafanaDashboard Read()
    {
        var file = Path.Combine(Repository.Root, "deploy", "grafana", "dashboards", "order-saga.json");
        return new GrafanaDashboard(JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(file)));
    }
}
