using Npgsql;
using Orders.V1;
using RabbitMQ.Client;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Failures;

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

    [Test, Category("Long")]
    public async Task Should_confirm_an_order_whose_command_a_delivery_limit_has_dropped()
    {
        const string queue = "reserve-funds", policy = "deliveries", dropped = "dropped";
        var account = await OpenAccountAsync(10);
        var factory = new ConnectionFactory { Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync(dropped, durable: true, exclusive: false, autoDelete: false);
        await System.Servers.Rabbit.SetPolicyAsync(System.VirtualHost, policy, $"^{queue}$",
            new Dictionary<string, object>
            {
                ["delivery-limit"] = 1,
                ["dead-letter-exchange"] = "",
                ["dead-letter-routing-key"] = dropped,
            });
        string order;
        await using (var database = new NpgsqlConnection(System.Servers.Postgres.Admin(System.AccountDatabase)))
        {
            // The command cannot be handled, and Account dies each time.
            await database.OpenAsync();
            await using var transaction = await database.BeginTransactionAsync();
            await using var locked = new NpgsqlCommand(
                $"select 1 from accounts where account_id = '{account}' for update", database);
            await locked.ExecuteNonQueryAsync();
            order = await PlaceOrderAsync(account, 10);
            await Wait.UntilAsync(async () =>
            {
                await System.Accounts[0].KillAsync();
                System.Accounts[0].Start();
                await System.Accounts[0].WaitUntilReadyAsync();
                return await channel.MessageCountAsync(dropped) > 0;
            }, MaxWait, () => "the broker to drop the command");
        }

        await AssertConfirmedAsync(order);
        await System.Servers.Rabbit.DeletePolicyAsync(System.VirtualHost, policy);
        await channel.QueueDeleteAsync(dropped);
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
