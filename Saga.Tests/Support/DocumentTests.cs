using System.Text.RegularExpressions;

namespace Saga.Tests.Support;

/// <summary>The documents name files, types and tests: all of them must exist.</summary>
[TestFixture, Category("Unit")]
public sealed partial class When_documents_name_code
{
    static readonly string[] Documents =
        [.. Directory.GetFiles(Repository.Root, "*.md")
            .Concat(Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md"))
            .Append(Path.Combine(Repository.Root, "lib", "Messaging.Postgres", "README.md"))
            .Append(Path.Combine(Repository.Root, "benchmarks", "README.md"))];

    static readonly Lazy<string> Sources = new(() => string.Join('\n',
        Directory.GetFiles(Repository.Root, "*.*", SearchOption.AllDirectories)
            .Where(x => Path.GetExtension(x) is ".cs" or ".proto"
                && !x.Contains($"{Path.DirectorySeparatorChar}artifacts{Path.DirectorySeparatorChar}",
                    StringComparison.Ordinal))
            .Select(File.ReadAllText)));

    [TestCaseSource(nameof(Documents))]
    public void Should_link_to_files_that_exist(string document) =>
        Assert.That(Links().Matches(File.ReadAllText(document)).Select(x => x.Groups[1].Value)
            .Where(x => !Path.Exists(Path.Combine(Path.GetDirectoryName(document)!, x))), Is.Empty);

    [TestCaseSource(nameof(Documents))]
    public void Should_name_files_that_exist(string document) =>
        Assert.That(Code(document).Where(x => PathText().IsMatch(x))
            .Where(x => !Path.Exists(Path.Combine(Repository.Root, x))
                && !Path.Exists(Path.Combine(Path.GetDirectoryName(document)!, x))), Is.Empty);

    [TestCaseSource(nameof(Documents))]
    public void Should_name_tests_that_exist(string document) =>
        Assert.That(Code(document).Where(x => x.StartsWith("When_", StringComparison.Ordinal))
            .SelectMany(x => x.Split('.'))
            .Where(x => !Regex.IsMatch(Sources.Value, $@"\b{Regex.Escape(x)}\b")), Is.Empty);

    [Test]
    public void Should_name_types_that_exist_in_the_architecture() =>
        Assert.That(Code(Path.Combine(Repository.Root, "docs", "architecture.md")).Where(x => TypeName().IsMatch(x))
            .Where(x => !Regex.IsMatch(Sources.Value, $@"\b(class|record|interface|enum|struct|rpc)\s+{x}\b")),
                Is.Empty);

    [TestCase("README.md", 800)]
    [TestCase("docs/architecture.md", 1500)]
    public void Should_be_short(string document, int maxWords) =>
        Assert.That(File.ReadAllText(Path.Combine(Repository.Root, document))
            .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries),
            Has.Length.LessThanOrEqualTo(maxWords));

    [Test]
    public void Should_define_at_most_20_terms() =>
        Assert.That(File.ReadLines(Path.Combine(Repository.Root, "docs", "glossary.md"))
            .Count(x => x.StartsWith("| ", StringComparison.Ordinal)),
            Is.InRange(3, 22), "20 terms, a heading and a rule");

    static IEnumerable<string> Code(string document) =>
        Spans().Matches(File.ReadAllText(document)).Select(x => x.Groups[1].Value);

    [GeneratedRegex(@"\]\((?!https?:)([^)#\s]+)")]
    private static partial Regex Links();

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Spans();

    [GeneratedRegex(@"^[\w.\-]+/[\w./\-]*$")]
    private static partial Regex PathText();

    [GeneratedRegex("^[A-Z][a-z]+([A-Z][a-z]+)+$")]
    private static partial Regex TypeName();
}
