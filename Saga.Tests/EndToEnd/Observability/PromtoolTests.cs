using System.Diagnostics;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd.Observability;

[TestFixture, Category("E2E")]
public sealed class When_prometheus_reads_the_alert_rules
{
    [Test]
    public async Task Should_raise_each_alert_for_its_cause_and_not_before()
    {
        var programs = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        if (!Array.Exists(programs, x => File.Exists(Path.Combine(x, "promtool"))))
            Assert.Ignore("the test needs promtool: apt-get install prometheus");
        var folder = Path.Combine(Repository.Root, "deploy", "prometheus");
        var start = new ProcessStartInfo("promtool", ["test", "rules", Path.Combine(folder, "alerts.test.yml")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var promtool = Process.Start(start)!;
        var (output, errors) = (promtool.StandardOutput.ReadToEndAsync(), promtool.StandardError.ReadToEndAsync());
        await promtool.WaitForExitAsync();
        Assert.That(promtool.ExitCode, Is.Zero, $"{await output}\n{await errors}");
    }
}
