using System.Text.RegularExpressions;

namespace Saga.Tests.Support;

/// <summary>The alert rules of <c>deploy/prometheus</c>.</summary>
[TestFixture, Category("Unit")]
public sealed partial class When_alert_rules_are_checked
{
    static readonly string Rules = Read("deploy", "prometheus", "alerts.yml");
    static readonly string Operations = Read("docs", "operations.md");

    static readonly string[] Alerts = [.. AlertText().Matches(Rules).Select(x => x.Value)];

    [TestCaseSource(nameof(Alerts))]
    public void Should_tell_each_how_bad_it_is_what_it_means_and_what_to_do(string alert)
    {
        Assert.That(Regex.Matches(alert, "severity: (page|ticket)"), Has.Count.EqualTo(1));
        Assert.That(Regex.Matches(alert, "(?m)^ +(summary|meaning): .{10,}$"), Has.Count.EqualTo(2));
        var section = Regex.Match(alert, @"runbook: docs/operations\.md#([a-z]+)$", RegexOptions.Multiline).Groups[1];
        Assert.That(Operations.ToLowerInvariant(), Does.Contain($"\n### {section.Value}\n"));
    }

    [TestCaseSource(nameof(Alerts))]
    public void Should_use_only_metrics_that_exist(string alert)
    {
        var names = MetricText().Matches(alert).Select(x => x.Value).Distinct().ToList();
        var documented = Regex.Matches(Operations, "(?m)^\\| `([a-z.]+)`")
            .Select(x => x.Groups[1].Value.Replace('.', '_')).ToList();
        Assert.That(names, Is.Not.Empty.Or.Matches<List<string>>(_ => alert.Contains("up{", StringComparison.Ordinal)
            || alert.Contains("node_", StringComparison.Ordinal)));
        Assert.That(names.Select(x => Regex.Replace(x, "(_seconds)?(_total|_bucket|_count)?$", ""))
            .Except([
                "db_client_connection", "db_client_connection_max", "db_client_connection_pool_name", "order_state",
                "messaging_destination_name",
            ]), Is.SubsetOf(documented));
    }

    [Test]
    public void Should_have_a_test_for_each()
    {
        var tests = Read("deploy", "prometheus", "alerts.test.yml");
        foreach (Match name in Regex.Matches(Rules, "alert: (\\w+)"))
        {
            Assert.That(tests, Does.Contain($"alertname: {name.Groups[1].Value} }}"), "does not fire too early");
            Assert.That(tests, Does.Contain($"{{alertname=\"{name.Groups[1].Value}\"}}"), "fires");
        }
    }

    static string Read(params string[] path) => File.ReadAllText(Path.Combine([Repository.Root, .. path]));

    [GeneratedRegex(@"(?s)- alert: .*?(?=\n\n|\z)")]
    private static partial Regex AlertText();

    [GeneratedRegex("(?:messaging|order|rpc|account|db|reconciliation)_[a-z_]+(?=[{)\\[ ])")]
    private static partial Regex MetricText();
}
