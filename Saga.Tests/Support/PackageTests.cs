using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Saga.Tests.Support;

/// <summary>Every package is of the version that Directory.Packages.props names, and of the hash that a lock file
/// does.</summary>
[TestFixture, Category("Unit")]
public sealed partial class When_packages_are_checked
{
    static readonly string[] Projects =
        [.. Directory.EnumerateFiles(Repository.Root, "*.csproj", SearchOption.AllDirectories)
            .Select(x => Path.GetRelativePath(Repository.Root, x))
            .Where(x => !x.Split('/').Intersect(["artifacts", "bin", "obj"]).Any())];

    static readonly Dictionary<string, string> Central = Load("Directory.Packages.props").Descendants("PackageVersion")
        .ToDictionary(x => (string)x.Attribute("Include")!, x => (string)x.Attribute("Version")!);

    [Test]
    public void Should_find_the_projects() => Assert.That(Projects, Has.Length.GreaterThan(20));

    [Test]
    public void Should_pin_each_package_to_one_version()
    {
        Assert.That(Central, Has.Count.GreaterThan(40));
        Assert.That(Central.Where(x => !ExactVersion().IsMatch(x.Value)), Is.Empty);
        var tools = JsonDocument.Parse(Read(".config/dotnet-tools.json")).RootElement.GetProperty("tools");
        Assert.That(tools.EnumerateObject().Select(x => x.Value.GetProperty("version").GetString()),
            Is.Not.Empty.And.All.Match(ExactVersion().ToString()));
    }

    /// <summary>Also lib/Service.Defaults/Service.props refers to packages.</summary>
    [Test]
    public void Should_name_versions_nowhere_else()
    {
        var references = Projects.Append("lib/Service.Defaults/Service.props")
            .SelectMany(x => Load(x).Descendants("PackageReference")).ToList();
        Assert.That(references.Select(x => (string)x.Attribute("Include")!).Except(Central.Keys), Is.Empty);
        Assert.That(references.Where(x => x.Attribute("Version") != null || x.Attribute("VersionOverride") != null
            || x.HasElements), Is.Empty);
    }

    [TestCaseSource(nameof(Projects))]
    public void Should_lock_the_packages_of_a_project(string project)
    {
        using var file = JsonDocument.Parse(Read(Path.Combine(Path.GetDirectoryName(project)!, "packages.lock.json")));
        var locked = file.RootElement.GetProperty("dependencies").EnumerateObject()
            .SelectMany(x => x.Value.EnumerateObject())
            .Select(x => (x.Name, Type: Text(x.Value, "type"), Requested: Text(x.Value, "requested"),
                Resolved: Text(x.Value, "resolved"), Hash: Text(x.Value, "contentHash")))
            .Where(x => x.Type != "Project").ToList();
        Assert.That(locked.Where(x => x.Type is "Direct" or "CentralTransitive").Select(x => (x.Name, x.Requested)),
            Is.EquivalentTo(locked.Where(x => Central.ContainsKey(x.Name))
                .Select(x => (x.Name, $"[{Central[x.Name]}, )"))));
        Assert.That(locked.Where(x => Central.ContainsKey(x.Name) && x.Resolved != Central[x.Name]), Is.Empty);
        Assert.That(locked.Select(x => x.Hash), Is.All.Not.Null);
        Assert.That(Load(project).Descendants("PackageReference").Select(x => (string)x.Attribute("Include")!),
            Is.SubsetOf(locked.Where(x => x.Type == "Direct").Select(x => x.Name)));
    }

    static string? Text(JsonElement package, string property) =>
        package.TryGetProperty(property, out var value) ? value.GetString() : null;

    static string Read(string path) => File.ReadAllText(Path.Combine(Repository.Root, path));

    static XDocument Load(string path) => XDocument.Parse(Read(path));

    [GeneratedRegex(@"^\d+(\.\d+){2,3}(-[a-z]+(\.\d+)+)?$")]
    private static partial Regex ExactVersion();
}
