using Orders.V1;
using RabbitMQ.Client;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd.Failures;

[TestFixture, Category("E2E")]
public sealed class When_a_service_or_the_broker_fails : SystemFixture
{
    protected override OrderSystemOptions Options => new() { OrderReplicas = 2 };

    [TestCase("Order")]
    [TestCase("Account")]
    public async Task Should_lose_and_duplicate_nothing_when_a_service_is_killed(string service)
    {
        var accounts = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => OpenAccountAsync(1000)));
        var killed = service == "Order" ? System.Orders[0] : System.Accounts[0];
        var client = new OrderService.OrderServiceClient(System.Orders[1].Channel);

        var placing = Task.WhenAll(Enumerable.Range(0, 300).Select(async i =>
        {
            await Task.Delay(i * 5);
            var request = NewOrder(accounts[i % 10], 1, requestId: Guid.NewGuid().ToString());
            var service = i % 2 == 0 ? Orders : client;
            return (await RetryAsync(() => service.CreateOrderAsync(request).ResponseAsync)).OrderId;
        }));
        await Task.Delay(700);
        await killed.KillAsync();
        await Task.Delay(300);
        killed.Start();
        var ids = await placing;
        await killed.WaitUntilReadyAsync();

        var orders = await WaitForEndAsync(ids);
        Assert.That(orders.Select(x => x.OrderId).Distinct().Count(), Is.EqualTo(300));
        Assert.That(orders, Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    [Test]
    public async Task Should_have_declared_the_exchanges_it_publishes_to_when_it_is_ready()
    {
        var factory = new ConnectionFactory { Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        // The other exchanges have consumers, which declare them.
        string[] exchanges = ["Contracts:OrderRejected", "Contracts:OrderCancelled"];
        await System.Orders[1].KillAsync();
        foreach (var exchange in exchanges)
            await channel.ExchangeDeleteAsync(exchange);

        System.Orders[1].Start();
        await System.Orders[1].WaitUntilReadyAsync();

        foreach (var exchange in exchanges)
            Assert.That(async () => await channel.ExchangeDeclarePassiveAsync(exchange), Throws.Nothing);
    }

    [Test]
    public async Task Should_stream_changes_that_another_replica_makes()
    {
        var account = await OpenAccountAsync(100);
        var id = await PlaceOrderAsync(account, 10);
        using var watch = new OrderService.OrderServiceClient(System.Orders[1].Channel)
            .WatchOrder(new WatchOrderRequest { OrderId = id }, deadline: DateTime.UtcNow + MaxWait);
        Order last = new();
        while (await watch.ResponseStream.MoveNext(default))
            last = watch.ResponseStream.Current;
        Assert.That(last.Status, Is.EqualTo(OrderStatus.Confirmed));
    }

    [Test]
    public async Task Should_complete_all_orders_when_the_connections_to_the_broker_are_closed()
    {
        var account = await OpenAccountAsync(1000);
        var placing = Task.WhenAll(Enumerable.Range(0, 100).Select(async i =>
        {
            await Task.Delay(i * 10);
            return await PlaceOrderAsync(account, 1);
        }));
        await Task.Delay(500);
        await System.Servers.Rabbit.CloseConnectionsAsync(System.VirtualHost);
        await AssertConfirmedAsync(await placing);
        await AuditAsync();
    }

    [TestCase(Signal.Kill, 20)]
    [TestCase(Signal.Term, 1000, Category = "Long")]
    public async Task Should_accept_orders_while_the_broker_is_down_and_complete_them_later(Signal signal, int open)
    {
        var rabbit = Stoppable(System.Servers.Rabbit);
        var account = await OpenAccountAsync(10_000);
        var before = await PlaceOrdersAsync(open, account);

        await rabbit.StopAsync(signal);
        var during = await PlaceOrdersAsync(20, account);
        var commands = await CountAsync(System.OrderDatabase,
            "select count(*) from outbox_message where message_type like '%ReserveFunds%'");
        await rabbit.StartAsync();

        Assert.That(commands, Is.GreaterThanOrEqualTo(during.Length),
            "the commit of CreateOrder contains the first command of the saga");
        await AssertConfirmedAsync(before.Concat(during));
        await AuditAsync();
        await AssertConfirmedAsync(await PlaceOrderAsync(account, 1));
    }

    [Test, Category("Long")]
    public async Task Should_be_ready_when_it_starts_while_the_broker_is_down()
    {
        var rabbit = Stoppable(System.Servers.Rabbit);
        var account = await OpenAccountAsync(1000);
        var replica = System.Orders[1];
        await replica.KillAsync();
        string placed;

        await rabbit.StopAsync(Signal.Term);
        try
        {
            replica.Start();
            await replica.WaitUntilReadyAsync();
            var client = new OrderService.OrderServiceClient(replica.Channel);
            placed = (await client.CreateOrderAsync(NewOrder(account, 1))).OrderId;
        }
        finally
        {
            await rabbit.StartAsync();
        }

        await AssertConfirmedAsync(placed);
        await AuditAsync();
        await AssertConfirmedAsync(await PlaceOrderAsync(account, 1));
    }

    [Test, Category("Long")]
    public async Task Should_start_several_replicas_on_an_empty_database_concurrently()
    {
        await using var system = await OrderSystem.StartAsync(await TestServers.GetAsync(),
            new OrderSystemOptions
            {
                Suffix = TestServers.NewName("_many"),
                OrderReplicas = 3,
                AccountReplicas = 3,
                RunAsOwner = true,
            });
        Assert.That(File.ReadAllText(system.Orders[0].LogFile), Does.Not.Contain("crit:"));
    }
}
