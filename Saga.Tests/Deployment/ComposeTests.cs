using System.Text.RegularExpressions;
using Saga.Tests.Support;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace Saga.Tests.Deployment;

/// <summary>What docker-compose.yml allows its containers.</summary>
[TestFixture, Category("Unit")]
public sealed partial class When_compose_is_read
{
    static readonly string Text = File.ReadAllText(Path.Combine(Repository.Root, "docker-compose.yml"));
    static readonly string Cluster = File.ReadAllText(Path.Combine(Repository.Root, "docker-compose.cluster.yml"));
    static readonly Dictionary<string, Dictionary<string, object>> Services = Read();

    static IEnumerable<string> Ours => Services.Keys.Where(x => !Services[x].ContainsKey("profiles"));

    [TestCaseSource(nameof(Ours))]
    public void Should_run_a_container_without_root_and_with_limits(string name)
    {
        var service = Services[name];
        Assert.That(service["read_only"], Is.EqualTo("true"));
        Assert.That(service["cap_drop"], Is.EqualTo(new[] { "ALL" }));
        Assert.That(service["security_opt"], Is.EqualTo(new[] { "no-new-privileges:true" }));
        Assert.That(service, Contains.Key("mem_limit").And.ContainKey("logging"));
        if (!$"{service["image"]}".StartsWith("ordersaga/", StringComparison.Ordinal)) // ours have a user already
            Assert.That(service, Contains.Key("user"));
    }

    [TestCase("order"), TestCase("account"), TestCase("operations")]
    public void Should_let_nobody_but_its_service_reach_a_database(string service)
    {
        Assert.That(NetworksOf($"{service}-db"), Is.EqualTo(new[] { $"{service}-data" }));
        Assert.That(Services.Keys.Where(x => NetworksOf(x).Contains($"{service}-data")),
            Is.EquivalentTo(new[] { $"{service}-db", $"{service}-migration", $"{service}-service" }));
    }

    [Test]
    public void Should_connect_each_service_to_every_node_of_a_cluster()
    {
        var nodes = Nodes().Match(Cluster).Groups[1].Value.Split(' ');
        Assert.That(nodes, Has.Length.EqualTo(3));
        Assert.That(Cluster, Does.Contain($"\n  {nodes[1]}:\n").And.Contain($"\n  {nodes[2]}:\n"));
        Assert.That(Hosts().Matches(Cluster).Select(x => x.Groups[1].Value),
            Is.EqualTo(Enumerable.Repeat(string.Join(',', nodes), Hosts().Count(Text))));
    }

    [Test]
    public void Should_start_with_no_password_that_others_know() => Assert.That(
        Password().Matches(Text + Cluster).Select(x => x.Value),
        Is.Not.Empty.And.All.EndsWith(":?see docker/new-env}"));

    [Test]
    public void Should_name_images_by_version() => Assert.That(
        Services.Values.Select(x => $"{x["image"]}").Where(x => !x.StartsWith("ordersaga/", StringComparison.Ordinal)),
        Is.All.Match(@":v?\d[\w.-]*\}?$"));

    static IEnumerable<string> NetworksOf(string service) =>
        Services[service].TryGetValue("networks", out var networks)
            ? ((IEnumerable<object>)networks).Select(x => $"{x}") : ["default"];

    static Dictionary<string, Dictionary<string, object>> Read()
    {
        var file = new DeserializerBuilder().Build().Deserialize<Dictionary<string, object>>(
            new MergingParser(new Parser(new StringReader(Text))));
        return ((IDictionary<object, object>)file["services"]).ToDictionary(x => $"{x.Key}",
            x => ((IDictionary<object, object>)x.Value).ToDictionary(y => $"{y.Key}", y => y.Value));
    }

    [GeneratedRegex("RABBITMQ_NODES: (.*)")]
    private static partial Regex Nodes();

    [GeneratedRegex(@"__RabbitMq: amqp://\w+:[^@]*@([^/]*)/ordersaga")]
    private static partial Regex Hosts();

    [GeneratedRegex(@"\$\{\w+PASSWORD[^}]*\}")]
    private static partial Regex Password();
}
