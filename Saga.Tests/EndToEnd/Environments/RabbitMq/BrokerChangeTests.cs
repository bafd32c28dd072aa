using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_an_operator_changes_the_broker : EnvironmentFixture
{
    static readonly TimeSpan MaxRepairTime = TimeSpan.FromSeconds(90);

    RabbitServer Broker => System.Servers.Rabbit;

    [TestCase("queues", "reserve-funds"), TestCase("queues", "order-state")]
    [TestCase("exchanges", "reserve-funds"), TestCase("exchanges", "order-state")]
    [TestCase("exchanges", "capture-funds"), TestCase("exchanges", "Contracts:OrderConfirmed")]
    [TestCase("exchanges", "Contracts:FundsReserved"), TestCase("queues", "order-state_batch")]
    [TestCase("exchanges", "reserve-funds_batch")]
    public async Task Should_recover_by_itself_when_a_queue_or_an_exchange_is_deleted(string kind, string name)
    {
        const int count = 10;
        var account = await OpenAccountAsync(2 * count);
        var before = await PlaceOrdersAsync(count, account);
        await WaitForBalancesAsync(account, available: count, held: 0, captured: count);

        await Broker.DeleteAsync(System.VirtualHost, kind, name);
        var after = await PlaceOrdersAsync(count, account);
        Assert.That(async () => (await GetAccountAsync(account)).Captured.Units,
            Is.EqualTo(2 * count).After((int)MaxRepairTime.TotalMilliseconds, 200));
        await AssertConfirmedAsync([.. before, .. after]);
        await AuditAsync();
    }

    [TestCase("Contracts:FundsReserved", "order-state", true), TestCase("order-state", "order-state", false)]
    [TestCase("reserve-funds_batch", "reserve-funds_batch", false)]
    public async Task Should_recover_by_itself_when_a_binding_is_deleted(string source, string destination,
        bool toExchange)
    {
        const int count = 10;
        var account = await OpenAccountAsync(count);
        await Broker.DeleteBindingAsync(System.VirtualHost, source, destination, toExchange);
        await AssertConfirmedAsync(await PlaceOrdersAsync(count, account));
        await AuditAsync();
    }

    [Test]
    public async Task Should_repair_the_other_queues_when_one_has_other_arguments()
    {
        const string changed = "capture-funds", deleted = "release-funds";
        var factory = new ConnectionFactory { Uri = new Uri(Broker.Amqp(System.VirtualHost)) };
        await using (var connection = await factory.CreateConnectionAsync())
        await using (var channel = await connection.CreateChannelAsync())
        {
            await channel.QueueDeleteAsync(changed);
            await channel.QueueDeclareAsync(changed, durable: true, exclusive: false, autoDelete: false,
                new Dictionary<string, object?> { ["x-max-length"] = 1_000_000 });
        }

        await Broker.DeleteAsync(System.VirtualHost, "exchanges", deleted);
        await Wait.UntilAsync(async () => await ExistsAsync(deleted), MaxRepairTime, () => $"{deleted} to be declared");

        await Broker.DeleteAsync(System.VirtualHost, "queues", changed);
        var account = await OpenAccountAsync(1);
        await AssertConfirmedAsync(await PlaceOrdersAsync(1, account));
        await WaitForBalancesAsync(account, 0, 0, 1);
        await AuditAsync();

        async Task<bool> ExistsAsync(string exchange)
        {
            await using var connection = await factory.CreateConnectionAsync();
            await using var channel = await connection.CreateChannelAsync();
            try
            {
                await channel.ExchangeDeclarePassiveAsync(exchange);
                return true;
            }
            catch (OperationInterruptedException)
            {
                return false;
            }
        }
    }

    [Test]
    public async Task Should_recover_by_itself_when_the_virtual_host_is_deleted_and_created_again()
    {
        const int count = 10;
        var account = await OpenAccountAsync(count);
        await Broker.DeleteVirtualHostAsync(System.VirtualHost);
        var orders = await PlaceOrdersAsync(count, account);
        await Task.Delay(TimeSpan.FromSeconds(3));
        await Broker.CreateVirtualHostAsync(System.VirtualHost);
        await System.CreateUsersAsync();
        await AssertConfirmedAsync(orders);
        await AuditAsync();
    }

    [Test, Category("Long")]
    public async Task Should_send_again_what_a_full_queue_has_refused()
    {
        const int count = 20;
        var account = await OpenAccountAsync(count);
        await Broker.SetPolicyAsync(System.VirtualHost, "short", "^reserve-funds$",
            new Dictionary<string, object> { ["max-length"] = 1, ["overflow"] = "reject-publish" });
        await System.Accounts[0].StopAsync();
        string[] orders;
        try
        {
            orders = await PlaceOrdersAsync(count, account);
            await Wait.UntilAsync(async () => await CountAsync(System.OrderDatabase,
                    "select count(*) from outbox_message where attempts > 0") > 0, MaxWait,
                () => "the broker to refuse messages");
        }
        finally
        {
            System.Accounts[0].Start();
        }

        await System.Accounts[0].WaitUntilReadyAsync();
        await AssertConfirmedAsync(orders); // while the queue is still short
        await Broker.DeletePolicyAsync(System.VirtualHost, "short");
        await AuditAsync();
    }
}
