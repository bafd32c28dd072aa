using Orders.V1;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture("Maximum Pool Size=2", ""), TestFixture("Maximum Pool Size=6", "")]
[TestFixture("", "alter role \"{role}\" connection limit 5"), Category("E2E")]
public sealed class When_connections_are_few(string setting, string limit) : EnvironmentFixture
{
    protected override string ChangeDatabase(string connectionString)
    {
        if (limit != "")
            ExecuteAsAdmin(connectionString, limit);
        return $"{connectionString};{setting}";
    }

    [Test]
    public async Task Should_complete_concurrent_orders_and_watches()
    {
        const int count = 30;
        var account = await OpenAccountAsync(count);
        var ends = await Task.WhenAll(Enumerable.Range(0, count).Select(async _ =>
        {
            var request = new WatchOrderRequest { OrderId = await PlaceOrderAsync(account, 1) };
            using var watch = Orders.WatchOrder(request, deadline: DateTime.UtcNow + MaxWait);
            var last = OrderStatus.Unspecified;
            while (await watch.ResponseStream.MoveNext(default))
                last = watch.ResponseStream.Current.Status;
            return last;
        }));
        Assert.That(ends, Has.All.EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }
}

[TestFixture, Category("E2E")]
public sealed class When_connections_are_too_few
{
    [Test]
    public async Task Should_say_in_one_line_how_many_the_server_must_allow()
    {
        await using var service = await StartedService.StartAsync("Account", x =>
            EnvironmentFixture.ExecuteAsAdmin(x["ConnectionStrings__Database"],
                "alter role \"{role}\" connection limit 4"));
        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains("a replica needs at least 5"));
    }

    [Test]
    public async Task Should_say_in_one_line_how_many_the_pool_needs()
    {
        await using var service = await StartedService.StartAsync("Account", x =>
            x["ConnectionStrings__Database"] += ";Maximum Pool Size=1");
        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains("a replica needs at least 2"));
    }
}
