using Orders.V1;
using RabbitMQ.Client;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_queues_are_replicated : SystemFixture
{
    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string> { ["Messaging__QuorumQueues"] = "true" };

    [Test]
    public async Task Should_end_orders_as_ever()
    {
        var account = await OpenAsync(100);
        var ids = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => PlaceAsync(account, 10)));
        var orders = await Task.WhenAll(ids.Select(EndAsync));
        Assert.That(orders.Count(x => x.Status == OrderStatus.Confirmed), Is.EqualTo(10));
        await BalancesAsync(account, available: 0, held: 0, captured: 100);
        await AuditAsync();
    }

    [TestCase("order-state"), TestCase("reserve-funds"), TestCase("release-funds"), TestCase("capture-funds")]
    public async Task Should_not_have_a_message_dropped_that_was_given_back_twenty_times(string queue)
    {
        var factory = new ConnectionFactory { Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();

        // A broker refuses to declare a queue again with other arguments than it has.
        Assert.That(async () => await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false,
            new Dictionary<string, object?> { [Headers.XQueueType] = "quorum", ["x-delivery-limit"] = 1_000_000 }), Throws.Nothing);
    }
}
