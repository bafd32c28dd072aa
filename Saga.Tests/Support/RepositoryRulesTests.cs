using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Saga.Tests.Support;

/// <summary>Rules for the source tree that the compiler does not check.</summary>
[TestFixture, Category("Unit")]
public sealed partial class When_the_repository_is_checked
{
    const int MaxLineWidth = 120;

    static readonly string[] Libraries = ["lib"];
    static readonly string[] Apis = ["proto", "Contracts"];
    static readonly string[] Services = ["Order.Service", "Account.Service", "Operations.Service", "Issuer.Service"];
    static readonly string[] Others = ["tools", "benchmarks", "Saga.Tests"];

    static readonly Project[] Projects = [.. FindFiles("*.csproj").Select(Project.Read)];

    [Test]
    public void Should_keep_lines_within_120_columns() => Assert.That(
        SourceFiles().SelectMany(file => File.ReadLines(Absolute(file)).Index()
            .Where(x => x.Item.Length > MaxLineWidth).Select(x => $"{file}:{x.Index + 1}")), Is.Empty);

    [Test]
    public void Should_contain_no_retired_name() => Assert.That(
        SourceFiles().Where(x => x != "Saga.Tests/Support/RepositoryRulesTests.cs")
            .SelectMany(file => File.ReadLines(Absolute(file)).Index()
                .Where(x => RetiredNames().IsMatch(x.Item))
                .Select(x => $"{file}:{x.Index + 1}: {x.Item.Trim()}")), Is.Empty);

    [Test]
    public void Should_find_projects_in_every_folder() => Assert.That(Projects.Select(x => x.Folder),
        Is.SupersetOf(Libraries.Concat(Apis).Concat(Services).Concat(Others)));

    [Test]
    public void Should_reference_no_executable() => Assert.That(
        References(x => x.To.IsExecutable), Is.Empty);

    [Test]
    public void Should_reference_the_tests_from_nowhere() => Assert.That(
        References(x => x.To.Folder == "Saga.Tests"), Is.Empty);

    [Test]
    public void Should_reference_only_libraries_and_apis_from_a_service() => Assert.That(
        References(x => Services.Contains(x.From.Folder) && x.To.Folder != x.From.Folder
            && !Libraries.Concat(Apis).Contains(x.To.Folder)), Is.Empty);

    /// <summary>What both services offer operators alike is in a library.</summary>
    [Test]
    public void Should_reference_only_libraries_and_the_operations_api_from_a_library() => Assert.That(
        References(x => Libraries.Contains(x.From.Folder) && !Libraries.Contains(x.To.Folder)
            && x.To.Path != "proto/operations/Operations.Api.csproj"), Is.Empty);

    [Test]
    public void Should_reference_nothing_from_an_api() => Assert.That(
        References(x => Apis.Contains(x.From.Folder)), Is.Empty);

    [Test]
    public void Should_keep_the_outbox_library_independent_of_other_projects_and_of_rabbitmq()
    {
        var library = Projects.Single(x => x.Path == "lib/Messaging.Postgres/Messaging.Postgres.csproj");
        Assert.That(library.References, Is.Empty);
        Assert.That(library.Packages, Has.None.Contains("RabbitMQ").IgnoreCase);
    }

    [TestCaseSource(nameof(Services))]
    public void Should_send_each_service_to_the_build_of_its_image(string folder) =>
        Assert.That(File.ReadLines(Absolute(".dockerignore")), Has.Member($"!{folder}"));

    /// <summary>Names of earlier versions. docs/glossary.md defines the current terms.</summary>
    [GeneratedRegex(@"Rehears|HandOver|StandingQueue|\bOpenOrders\b|SetWrites|ISetStep|WarmContexts|NewInstances"
        + @"|LocalConsumeContext|FundsDesk|AskAsync|Refusal|[Rr]elay|\bLanes?\b|Suspect|\bScenes?\b")]
    private static partial Regex RetiredNames();

    static IEnumerable<string> References(Func<(Project From, Project To), bool> condition) =>
        from project in Projects
        from path in project.References
        let reference = (From: project, To: Projects.Single(x => x.Path == path))
        where condition(reference)
        select $"{reference.From.Path} references {reference.To.Path}";

    static IEnumerable<string> SourceFiles() =>
        FindFiles("*.cs").Where(x => !x.Contains("/Migrations/")).Concat(FindFiles("*.razor"));

    /// <summary>Returns the paths of the files in the projects' folders, relative to the repository.</summary>
    static IEnumerable<string> FindFiles(string pattern) =>
        from folder in Libraries.Concat(Apis).Concat(Services).Concat(Others)
        from file in Directory.EnumerateFiles(Absolute(folder), pattern, SearchOption.AllDirectories)
        let path = Path.GetRelativePath(Repository.Root, file)
        where !path.Split('/').Intersect(["bin", "obj"]).Any()
        orderby path
        select path;

    static string Absolute(string path) => Path.Combine(Repository.Root, path);

    sealed record Project(string Path, bool IsExecutable, string[] References, string[] Packages)
    {
        public string Folder => Path.Split('/')[0];

        public static Project Read(string path)
        {
            var folder = System.IO.Path.GetDirectoryName(Absolute(path))!;
            var xml = XDocument.Load(Absolute(path)).Root!;
            return new Project(path,
                (string?)xml.Attribute("Sdk") == "Microsoft.NET.Sdk.Web"
                    || xml.Descendants("OutputType").Any(x => x.Value == "Exe"),
                [.. Includes("ProjectReference").Select(x => System.IO.Path.GetRelativePath(
                    Repository.Root, System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, x))))],
                [.. Includes("PackageReference")]);

            IEnumerable<string> Includes(string item) =>
                xml.Descendants(item).Select(x => (string)x.Attribute("Include")!);
        }
    }
}
