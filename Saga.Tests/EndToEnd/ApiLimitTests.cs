using System.Text;
using Grpc.Core;
using Orders.V1;
using RabbitMQ.Client;
using Saga.Servers;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_clients_reach_the_limits_of_the_api : SystemFixture
{
    const int MaxClientMessage = 4 * 1024 * 1024; // the default of gRPC clients

    [Test]
    public async Task Should_answer_calls_while_the_same_connection_watches_150_orders()
    {
        var account = await OpenAccountAsync(1000);
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            var id = await PlaceOrderAsync(account, 1);
            var watches = Enumerable.Range(0, 150)
                .Select(_ => Orders.WatchOrder(new WatchOrderRequest { OrderId = id })).ToList();
            foreach (var watch in watches)
                Assert.That(await watch.ResponseStream.MoveNext(default));
            var read = await Orders.GetOrderAsync(new GetOrderRequest { OrderId = id },
                deadline: DateTime.UtcNow + MaxWait);
            Assert.That(read.Status, Is.EqualTo(OrderStatus.Pending));
            watches.ForEach(x => x.Dispose());
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }
    }

    [Test]
    public async Task Should_list_orders_of_100_items_in_pages_that_clients_accept()
    {
        const int count = 500;
        var account = await OpenAccountAsync(1_000_000);
        var request = new CreateOrderRequest { AccountId = account };
        for (var i = 0; i < 100; i++)
            request.Items.Add(new OrderItem
            {
                Sku = new string('s', 64),
                Quantity = 1,
                UnitPrice = new Google.Type.Money { CurrencyCode = "EUR", Units = 1, Nanos = 990_000_000 },
            });
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 20 },
            async (_, _) => await Orders.CreateOrderAsync(request));

        var ids = new List<string>();
        for (var token = ""; ;)
        {
            var page = await Orders.ListOrdersAsync(
                new ListOrdersRequest { AccountId = account, PageSize = 1000, PageToken = token });
            Assert.That(page.CalculateSize(), Is.LessThan(MaxClientMessage));
            ids.AddRange(page.Orders.Select(x => x.OrderId));
            if ((token = page.NextPageToken) == "")
                break;
        }

        Assert.That(ids, Has.Count.EqualTo(count).And.Unique);
    }

    [TestCase("order-state")]
    [TestCase("reserve-funds")]
    public async Task Should_log_a_message_that_no_consumer_handles(string queue)
    {
        var service = queue == "order-state" ? System.Orders[0] : System.Accounts[0];
        await using var connection = await new ConnectionFactory
        {
            Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)),
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        var body = $$"""
            { "messageId": "{{Guid.NewGuid()}}", "messageType": ["urn:message:Contracts:OrderShipped"], "message": {} }
            """;
        var properties = new BasicProperties
        {
            ContentType = "application/vnd.masstransit+json",
            UserId = System.SenderTo(queue),
        };
        await channel.BasicPublishAsync("", queue, mandatory: true, properties, Encoding.UTF8.GetBytes(body));

        await Wait.UntilAsync(() => Task.FromResult(File.ReadAllText(service.LogFile)
            .Contains($"urn:message:Contracts:OrderShipped is not handled by any consumer of {queue}",
                StringComparison.Ordinal)), MaxWait, () => "a warning about the message");
        await Wait.UntilAsync(async () => await CountMessagesAsync($"{queue}_skipped") == 1, MaxWait,
            () => "the message to be skipped");
        await channel.QueuePurgeAsync($"{queue}_skipped");
    }
}
