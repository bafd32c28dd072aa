using Orders.V1;
using RabbitMQ.Client;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_quorum_queues_are_used : SystemFixture
{
    protected override IReadOnlyDictionary<string, string> Settings =>
        new Dictionary<string, string> { ["Messaging__QuorumQueues"] = "true" };

    [Test]
    public async Task Should_complete_orders()
    {
        var account = await OpenAccountAsync(100);
        var orders = await WaitForEndAsync(await PlaceOrdersAsync(12, account, price: 10));
        Assert.That(orders.Count(x => x.Status == OrderStatus.Confirmed), Is.EqualTo(10));
        await WaitForBalancesAsync(account, available: 0, held: 0, captured: 100);
        await AuditAsync();
    }

    [TestCase("order-state"), TestCase("reserve-funds"), TestCase("release-funds"), TestCase("capture-funds")]
    public async Task Should_declare_queues_that_keep_a_message_after_twenty_redeliveries(string queue)
    {
        var factory = new ConnectionFactory { Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();

        // The broker rejects a declaration whose arguments differ from those of the existing queue.
        Assert.That(async () => await channel.QueueDeclareAsync(
            queue, durable: true, exclusive: false, autoDelete: false,
            new Dictionary<string, object?> { [Headers.XQueueType] = "quorum", ["x-delivery-limit"] = 1_000_000 }),
            Throws.Nothing);
    }
}
