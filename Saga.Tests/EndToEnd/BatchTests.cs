using RabbitMQ.Client;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd;

/// <summary>
/// The services send each other batches while both know them. A replica with <c>Messaging:Batches</c> off behaves as
/// one of a build without batches.
/// </summary>
[TestFixture, Category("Long")]
public sealed class When_many_messages_wait_between_the_services : SystemFixture
{
    const int Count = 300;
    const string ToAccount = "reserve-funds_batch", ToOrder = "order-state_batch";

    static readonly TimeSpan TimeToNotice = TimeSpan.FromSeconds(3);

    readonly Dictionary<string, string> _withoutBatches = new() { ["Messaging__Batches"] = "false" };

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Admission__MaxOpenOrders"] = "5000",
    };

    [Test]
    public async Task Should_send_batches_in_both_directions()
    {
        await WaitForBatchesAsync();

        var (toAccount, toOrder) = await CountBatchesAsync(ConfirmOrdersAsync);

        Assert.That(toAccount, Is.InRange(1, Count / 2), "batches for Account");
        Assert.That(toOrder, Is.InRange(1, Count), "batches for Order");
        await AuditAsync();
    }

    [TestCase("Account"), TestCase("Order")]
    public async Task Should_send_messages_one_by_one_while_one_service_knows_no_batches(string older)
    {
        var replica = older == "Account" ? System.Accounts[0] : System.Orders[0];
        await ConfirmOrdersAsync();
        await RestartAsync(replica, _withoutBatches);
        await Task.Delay(TimeToNotice);

        var (toAccount, toOrder) = await CountBatchesAsync(ConfirmOrdersAsync);

        Assert.That((toAccount, toOrder), Is.EqualTo((0u, 0u)));
        await RestartAsync(replica);
        await ConfirmOrdersAsync();
        await AuditAsync();
    }

    [Test]
    public async Task Should_complete_orders_whose_batches_wait_while_an_older_account_runs()
    {
        var account = await OpenAccountAsync(Count);
        await WaitForBatchesAsync();
        var placed = PlaceOrdersAsync(Count, account); // Order still sends batches
        await RestartAsync(System.Accounts[0], _withoutBatches);
        var ids = await placed;
        await Task.Delay(TimeToNotice);

        await RestartAsync(System.Accounts[0]);

        await AssertConfirmedAsync(ids);
        await AuditAsync();
    }

    [Test]
    public async Task Should_ask_again_for_what_is_in_batches_that_an_older_account_does_not_know()
    {
        const int many = 1500; // as many batches count as more than the backlog in which nothing is sent again
        var account = await OpenAccountAsync(many);
        await WaitForBatchesAsync();
        try
        {
            System.Accounts[0].Send(Signal.Stop); // Order still sends batches
            var ids = await PlaceOrdersAsync(many, account);
            await System.Accounts[0].KillAsync();
            await Wait.UntilAsync(async () => await CountMessagesAsync(ToAccount) > 11, MaxWait, () => "many batches");

            System.Accounts[0].Start(_withoutBatches);

            await AssertConfirmedAsync(ids);
            Assert.That(await CountMessagesAsync(ToAccount), Is.GreaterThan(11), "nobody consumes them");
        }
        finally
        {
            await RestartAsync(System.Accounts[0]);
        }

        await AuditAsync();
    }

    /// <summary>Places orders until each service knows that the other consumes batches.</summary>
    Task WaitForBatchesAsync() => Wait.UntilAsync(
        async () => await CountBatchesAsync(ConfirmOrdersAsync) is { ToAccount: > 0, ToOrder: > 0 }, MaxWait,
        () => "batches in both directions");

    async Task ConfirmOrdersAsync() =>
        await AssertConfirmedAsync(await PlaceOrdersAsync(Count, await OpenAccountAsync(Count)));

    /// <summary>Counts the batches that are published for each service meanwhile.</summary>
    async Task<(uint ToAccount, uint ToOrder)> CountBatchesAsync(Func<Task> action)
    {
        await using var connection = await new ConnectionFactory
        {
            Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)),
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        foreach (var exchange in new[] { ToAccount, ToOrder })
        {
            await channel.QueueDeclareAsync($"count {exchange}", durable: false, exclusive: true, autoDelete: true);
            await channel.QueueBindAsync($"count {exchange}", exchange, "");
        }

        await action();
        return (await channel.MessageCountAsync($"count {ToAccount}"),
            await channel.MessageCountAsync($"count {ToOrder}"));
    }
}
