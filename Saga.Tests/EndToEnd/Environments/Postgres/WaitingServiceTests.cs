using System.Net;
using Npgsql;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_a_service_waits_for_its_database
{
    const string Database = "ConnectionStrings__Database";

    static readonly TimeSpan MaxStopTime = TimeSpan.FromSeconds(5);

    static IEnumerable<TestCaseData> Reasons()
    {
        static TestCaseData Case(string name, Action<Dictionary<string, string>> change) =>
            new TestCaseData(change).SetName(name);
        yield return Case("it is not migrated", x => x["Database__MigrateAtStartup"] = "false");
        yield return Case("it cannot be reached", x => x[Database] =
            new NpgsqlConnectionStringBuilder(x[Database]) { Port = Ports.Pick() }.ConnectionString);
    }

    [TestCaseSource(nameof(Reasons))]
    public async Task Should_be_live_but_not_ready_and_stop_on_sigterm(Action<Dictionary<string, string>> change)
    {
        await using var service = await StartedService.StartAsync("Order", change);
        using var http = service.Replica.NewHttpClient();
        await Wait.UntilAsync(async () =>
        {
            try
            {
                using var live = await http.GetAsync("/health/live");
                return live.StatusCode == HttpStatusCode.OK;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }, TimeSpan.FromSeconds(30), () => $"the service to be live:\n{File.ReadAllText(service.Replica.LogFile)}");
        foreach (var path in (string[])["/health/ready", "/v1/orders"])
            using (var response = await http.GetAsync(path))
                Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable), path);

        service.Replica.Send(Signal.Term);
        await Wait.UntilAsync(() => Task.FromResult(service.Replica.HasExited), MaxStopTime,
            () => "the service to end");
        Assert.That(await File.ReadAllTextAsync(service.Replica.LogFile), Does.Not.Contain("xception"));
    }

    [Test]
    public async Task Should_serve_once_the_database_is_migrated()
    {
        await using var service = await StartedService.StartAsync("Order",
            x => x["Database__MigrateAtStartup"] = "false");
        using var http = service.Replica.NewHttpClient();
        await Wait.UntilAsync(() => Task.FromResult(service.LogLines("warn").Length > 0), TimeSpan.FromSeconds(30),
            () => "the service to wait");
        await Task.Delay(TimeSpan.FromSeconds(2));
        Assert.That(await http.GetStringAsync("/health/live"), Is.EqualTo("Healthy"));

        await service.Replica.MigrateAsync();
        await service.Replica.WaitUntilReadyAsync();
        Assert.That(await http.GetStringAsync("/v1/orders"), Does.Contain("orders"));
    }
}
