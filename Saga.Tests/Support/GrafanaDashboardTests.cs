using System.Text.Json;

namespace Saga.Tests.Support;

/// <summary>The dashboard of <c>deploy/grafana</c>; an end-to-end test runs its queries.</summary>
[TestFixture, Category("Unit")]
public sealed class When_grafanas_dashboard_is_checked
{
    static readonly GrafanaDashboard Dashboard = GrafanaDashboard.Read();

    [Test]
    public void Should_say_what_each_panel_shows_and_in_which_unit() => Assert.That(Dashboard.Charts
        .Where(x => Text(x, "title").Length == 0 || Text(x, "description").Length < 10
            || Text(x.GetProperty("fieldConfig").GetProperty("defaults"), "unit").Length == 0)
        .Select(x => Text(x, "title")), Is.Empty);

    [Test]
    public void Should_name_each_panel_once()
    {
        Assert.That(Dashboard.Panels.Select(x => Text(x, "title")), Is.Unique);
        Assert.That(Dashboard.Panels.Select(x => x.GetProperty("id").GetInt32()), Is.Unique);
    }

    [Test]
    public void Should_place_no_panel_on_another()
    {
        var places = Dashboard.Panels.SelectMany(x =>
        {
            var place = x.GetProperty("gridPos");
            int Read(string name) => place.GetProperty(name).GetInt32();
            return from column in Enumerable.Range(Read("x"), Read("w"))
                   from row in Enumerable.Range(Read("y"), Read("h"))
                   select (column, row);
        }).ToList();
        Assert.That(places, Is.Unique);
        Assert.That(places.Max(x => x.column), Is.LessThan(24), "the width of Grafana's grid");
    }

    [Test]
    public void Should_ask_the_data_source_that_is_provisioned()
    {
        var provisioned = File.ReadAllText(Path.Combine(Repository.Root, "deploy", "grafana", "provisioning",
            "datasources", "prometheus.yml"));
        var sources = Dashboard.Charts.SelectMany(x => x.GetProperty("targets").EnumerateArray().Append(x))
            .Select(x => Text(x.GetProperty("datasource"), "uid")).Distinct().ToList();
        Assert.That(sources, Has.Count.EqualTo(1));
        Assert.That(provisioned, Does.Contain($"\n    uid: {sources[0]}\n"));
    }

    static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;
}
