using Saga.Fuzz;
using Spectre.Console;

namespace Saga.Tests.EndToEnd.Clients;

/// <summary>Both APIs under 20,000 valid and damaged calls of a fixed seed; <c>--target=Fuzz</c> makes more.</summary>
[TestFixture, Category("E2E")]
public sealed class When_both_apis_are_fuzzed : SystemFixture
{
    const int Calls = 20_000, Seed = 1;

    protected override IReadOnlyDictionary<string, string> Settings => LogRules.Settings;

    [Test]
    public async Task Should_reject_what_is_wrong_name_it_and_stay_well()
    {
        var report = await new FuzzSession(System, Seed).RunAsync(Calls, default);
        var output = new StringWriter();
        report.Print(AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) }));
        await TestContext.Progress.WriteLineAsync($"{output}");

        Assert.That(report.Violations, Is.Empty);
        // Without any of these, the calls would not have tried what they should.
        foreach (var status in (string[])["gRPC OK", "JSON 200"])
            Assert.That(report.Statuses[status], Is.GreaterThan(Calls / 20), status);
        foreach (var status in (string[])["gRPC InvalidArgument", "gRPC NotFound", "gRPC Unauthenticated",
            "gRPC PermissionDenied", "gRPC FailedPrecondition", "gRPC AlreadyExists", "gRPC Unimplemented",
            "JSON 400", "JSON 401", "JSON 403", "JSON 404", "JSON 405", "JSON 409", "JSON 415"])
            Assert.That(report.Statuses.GetValueOrDefault(status), Is.GreaterThan(0), status);
    }
}
