using CliWrap;
using CliWrap.Buffered;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Saga.Servers;

namespace Saga.Tests.Support;

/// <summary>A restore asks a source of vulnerabilities, here one of the test's own, about each package.</summary>
[TestFixture, Category("Unit"), CancelAfter(300_000)]
public sealed class When_packages_are_audited
{
    readonly string _folder = Directory.CreateTempSubdirectory("audit").FullName;
    string _source = "";

    [OneTimeSetUp]
    public void Create_a_project_with_the_settings_of_all()
    {
        foreach (var file in new[] { "Directory.Build.props", "Directory.Packages.props", "global.json" })
            File.Copy(Path.Combine(Repository.Root, file), Path.Combine(_folder, file));
        File.WriteAllText(Path.Combine(_folder, "probe.csproj"), """
            <Project Sdk="Microsoft.NET.Sdk">
              <ItemGroup><PackageReference Include="CliWrap" /></ItemGroup>
            </Project>
            """);
    }

    /// <summary>It needs no package source: this test was built with the package. Each test has an audit source of its
    /// own, because NuGet remembers the data of an address.</summary>
    [SetUp]
    public void Choose_a_source()
    {
        _source = $"http://127.0.0.1:{Ports.Pick()}";
        File.WriteAllText(Path.Combine(_folder, "audit.config"), $"""
            <configuration>
              <packageSources><clear /></packageSources>
              <auditSources>
                <clear />
                <add key="probe" value="{_source}/index.json" allowInsecureConnections="true" />
              </auditSources>
            </configuration>
            """);
    }

    [OneTimeTearDown]
    public void Delete_it() => Directory.Delete(_folder, true);

    [Test]
    public async Task Should_fail_for_a_vulnerability_even_of_the_lowest_severity(CancellationToken cancellation)
    {
        await using var source = await StartAsync($$"""
            {"version":"3.0.0","resources":[{"@id":"{{_source}}/list.json","@type":"VulnerabilityInfo/6.7.0"}]}
            """);
        var (code, output) = await RestoreAsync(cancellation);
        Assert.That(code, Is.Not.Zero, output);
        Assert.That(output, Does.Contain("error NU1901").And.Contain("CliWrap").And.Contain("advisories/probe"));
    }

    [Test]
    public async Task Should_only_warn_of_a_source_without_data(CancellationToken cancellation)
    {
        await using var source = await StartAsync("""{"version":"3.0.0","resources":[]}""");
        var (code, output) = await RestoreAsync(cancellation);
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("warning NU1905"));
    }

    [Test]
    public async Task Should_only_warn_of_a_source_that_cannot_be_reached(CancellationToken cancellation)
    {
        var (code, output) = await RestoreAsync(cancellation);
        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Contain("warning NU1900"));
    }

    async Task<(int Code, string Output)> RestoreAsync(CancellationToken cancellation)
    {
        var result = await Cli.Wrap("dotnet").WithArguments(["restore", "--force", "--nologo"])
            .WithWorkingDirectory(_folder)
            .WithEnvironmentVariables(x => x.Set("RestoreConfigFile", Path.Combine(_folder, "audit.config"))
                .Set("CI", "false")) // its lock file is new
            .WithValidation(CommandResultValidation.None)
            .ExecuteBufferedAsync(cancellation);
        return (result.ExitCode, result.StandardOutput + result.StandardError);
    }

    /// <summary>Starts the source: an index, and a list in which each version of CliWrap is vulnerable.</summary>
    async Task<WebApplication> StartAsync(string index)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(_source);
        var server = builder.Build();
        server.MapGet("/index.json", () => Json(index));
        server.MapGet("/list.json", () => Json($$"""
            [{"@name":"base","@id":"{{_source}}/base.json","@updated":"2026-01-01T00:00:00Z"}]
            """));
        server.MapGet("/base.json", () => Json(
            """{"cliwrap":[{"severity":0,"url":"https://example.org/advisories/probe","versions":"(, )"}]}"""));
        await server.StartAsync();
        return server;
    }

    static IResult Json(string text) => Results.Text(text, "application/json");
}
