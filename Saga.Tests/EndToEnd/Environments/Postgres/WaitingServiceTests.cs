using System.Net;
using Google.Rpc;
using Grpc.Core;
using Npgsql;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.EndToEnd.Clients;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_a_service_waits_for_its_database
{
    const string Database = "ConnectionStrings__Database";

    static readonly TimeSpan MaxStopTime = TimeSpan.FromSeconds(20);

    static IEnumerable<TestCaseData> Reasons()
    {
        static TestCaseData Case(string name, Action<Dictionary<string, string>> change) =>
            new TestCaseData(change).SetName(name);
        yield return Case("it is not migrated", x => x["Database__MigrateAtStartup"] = "false");
        yield return Case("it cannot be reached", x => x[Database] =
            new NpgsqlConnectionStringBuilder(x[Database]) { Port = Ports.Pick() }.ConnectionString);
        yield return Case("it refuses writes", x => SetReadOnly(x[Database], "on"));
    }

    [TestCaseSource(nameof(Reasons))]
    public async Task Should_be_live_but_not_ready_and_stop_on_sigterm(Action<Dictionary<string, string>> change)
    {
        await using var service = await StartedService.StartAsync("Order", change);
        using var http = service.Replica.NewHttpClient();
        await service.WaitUntilLiveAsync();
        using (var ready = await http.GetAsync("/health/ready"))
            Assert.That(ready.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        await AssertUnavailableAsync(service.Replica, http);

        service.Replica.Send(Signal.Term);
        await Wait.UntilAsync(() => Task.FromResult(service.Replica.HasExited), MaxStopTime,
            () => "the service to end");
        Assert.That(await File.ReadAllTextAsync(service.Replica.LogFile), Does.Not.Contain("xception"));
    }

    /// <summary>Asserts that calls fail with the details of every other error (AIP-193).</summary>
    static async Task AssertUnavailableAsync(ServiceReplica replica, HttpClient http)
    {
        const string reason = "SERVICE_STARTING";
        foreach (var response in (HttpResponseMessage[])[await http.GetAsync("/v1/orders"),
            await http.PostAsync("/v1/orders", new StringContent("{}"))])
            using (response)
            {
                Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
                Assert.That(response.Headers.RetryAfter?.Delta, Is.EqualTo(TimeSpan.FromSeconds(1)));
                var (code, error) = RawCall.ReadJsonError(await response.Content.ReadAsStringAsync());
                Assert.That((code, error.GetDetail<ErrorInfo>()?.Reason),
                    Is.EqualTo(((int)StatusCode.Unavailable, reason)));
            }

        using var call = await RawCall.SendAsync(replica.GrpcAddress, "/orders.v1.OrderService/GetOrder",
            RawCall.Frame([]));
        var (status, details) = RawCall.ReadError(call.Headers);
        Assert.That((status, details.GetDetail<ErrorInfo>()?.Reason),
            Is.EqualTo(((int)StatusCode.Unavailable, reason)));
        Assert.That(details.GetDetail<RetryInfo>(), Is.Not.Null);
    }

    [Test]
    public async Task Should_not_be_ready_while_its_database_refuses_writes()
    {
        var database = "";
        await using var service = await StartedService.StartAsync("Account", x => database = x[Database]);
        await service.Replica.WaitUntilReadyAsync();

        foreach (var (setting, isReady) in new[] { ("on", false), ("off", true) })
        {
            SetReadOnly(database, setting);
            EnvironmentFixture.ExecuteAsAdmin(database,
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'");
            await Wait.UntilAsync(async () => await service.IsReadyAsync() == isReady, TimeSpan.FromSeconds(30),
                () => $"the service to be ready: {isReady}");
        }
    }

    static void SetReadOnly(string database, string setting) => EnvironmentFixture.ExecuteAsAdmin(
        database, $"alter role \"{{role}}\" set default_transaction_read_only = {setting}");

    [Test]
    public async Task Should_serve_once_the_database_is_migrated()
    {
        await using var service = await StartedService.StartAsync("Order",
            x => x["Database__MigrateAtStartup"] = "false");
        using var http = service.Replica.NewHttpClient();
        await Wait.UntilAsync(() => Task.FromResult(service.LogLines("warn").Length > 0), TimeSpan.FromSeconds(30),
            () => "the service to wait");
        await service.WaitUntilLiveAsync();
        Assert.That(await http.GetStringAsync("/health/live"), Is.EqualTo("Healthy"));

        await service.Replica.MigrateAsync();
        await service.Replica.WaitUntilReadyAsync();
        Assert.That(await http.GetStringAsync("/v1/orders"), Does.Contain("orders"));
    }
}
