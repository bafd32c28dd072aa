using Grpc.Core;
using Orders.V1;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture("Maximum Pool Size=2", "", Category = "E2E")]
[TestFixture("Maximum Pool Size=6", "", Category = "Long")]
[TestFixture("", "alter role \"{role}\" connection limit 5", Category = "Long")]
public sealed class When_connections_are_few(string setting, string limit) : EnvironmentFixture
{
    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Watch__MaxSilence"] = "00:00:01",
    };

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

    [Test]
    public async Task Should_need_no_connection_for_an_order_that_is_watched_while_it_waits()
    {
        const int count = 30;
        var account = await OpenAccountAsync(count);
        System.Accounts[0].Send(Signal.Stop);
        var watches = new List<AsyncServerStreamingCall<Order>>();
        try
        {
            foreach (var id in await PlaceOrdersAsync(count, account))
            {
                watches.Add(Orders.WatchOrder(new WatchOrderRequest { OrderId = id }));
                await watches[^1].ResponseStream.MoveNext(default);
            }

            for (var i = 0; i < 6; i++)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(500));
                await Orders.GetOrderAsync(new GetOrderRequest { OrderId = await PlaceOrderAsync(account, 1) },
                    deadline: DateTime.UtcNow + MaxWait);
            }
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
            watches.ForEach(x => x.Dispose());
        }
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
