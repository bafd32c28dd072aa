using Accounts.V1;
using Orders.V1;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd.Failures;

[TestFixture, Category("E2E")]
public sealed class When_the_broker_loses_messages : SystemFixture
{
    const string Policy = "expiry";

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Saga__ResendDelay"] = "00:00:00.5",
        ["Saga__MaxResendDelay"] = "00:00:02",
        ["Funds__MaxHoldAge"] = "00:00:01",
    };

    RabbitServer Rabbit => System.Servers.Rabbit;

    [TearDown]
    public async Task StartServicesAsync()
    {
        await Rabbit.DeletePolicyAsync(System.VirtualHost, Policy);
        foreach (var replica in System.Orders.Concat(System.Accounts).Where(x => x.HasExited))
            await StartAsync(replica);
    }

    [Test]
    public async Task Should_reserve_after_the_command_was_purged()
    {
        var account = await OpenAccountAsync(100);
        await System.Accounts[0].KillAsync();
        var id = await PlaceOrderAsync(account, 10);
        await LoseAsync("reserve-funds");

        await StartAsync(System.Accounts[0]);

        await AssertConfirmedAsync(id);
        await WaitForBalancesAsync(account, 90, 0, 10);
    }

    [Test, Category("Long")]
    public async Task Should_release_after_the_command_was_purged()
    {
        var account = await OpenAccountAsync(100);
        await WithHeldFundsAsync(account, async id =>
        {
            await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = id });
            await LoseAsync("release-funds");
        }, OrderStatus.Cancelled);
        await WaitForBalancesAsync(account, 100, 0, 0);
    }

    [Test, Category("Long")]
    public async Task Should_release_after_the_command_has_expired_by_a_policy()
    {
        var account = await OpenAccountAsync(100);
        await Rabbit.SetPolicyAsync(System.VirtualHost, Policy, "^release-funds$",
            new Dictionary<string, object> { ["message-ttl"] = 1 });
        await WithHeldFundsAsync(account, async id =>
        {
            await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = id });
            await WaitUntilEmptyAsync("release-funds");
        }, OrderStatus.Cancelled);
        await WaitForBalancesAsync(account, 100, 0, 0);
    }

    [Test, Category("Long")]
    public async Task Should_capture_after_the_event_was_purged()
    {
        var account = await OpenAccountAsync(100);
        await WithHeldFundsAsync(account, async id =>
        {
            await AssertConfirmedAsync(id);
            await LoseAsync("capture-funds");
        }, OrderStatus.Confirmed, isAnswerLost: false);
        await WaitForBalancesAsync(account, 90, 0, 10);
        await AuditAsync();
    }

    [TestCase("10", OrderStatus.Confirmed, Category = "Long",
        TestName = "Should_confirm_after_FundsReserved_was_purged")]
    [TestCase("0", OrderStatus.Rejected, Category = "Long",
        TestName = "Should_reject_after_ReservationRejected_was_purged")]
    public async Task Should_go_on_after_the_answer_was_purged(string deposit, OrderStatus end)
    {
        var account = await OpenAccountAsync(long.Parse(deposit, null));
        await WithHeldFundsAsync(account, _ => Task.CompletedTask, end, decided: deposit == "0" ? "Rejected" : "Held");
        await AuditAsync();
    }

    [Test]
    public async Task Should_know_that_the_funds_are_captured_after_the_answer_was_purged()
    {
        var account = await OpenAccountAsync(100);
        var id = await PlaceOrderAsync(account, 10);
        await AssertConfirmedAsync(id);
        await Wait.UntilAsync(async () => await CountAsync(System.OrderDatabase, Awaiting) == 0, MaxWait,
            () => "the answer to the first capture");

        // As if the answer had been lost: the saga still waits for it.
        await ExecuteAsync(System.OrderDatabase, $"update orders set resend_time = now() where order_id = '{id}'");

        await AuditAsync();
        await WaitForBalancesAsync(account, 90, 0, 10);
    }

    [Test, Category("Long")]
    public async Task Should_know_that_the_funds_are_captured_after_the_event_was_purged()
    {
        var account = await OpenAccountAsync(100);
        await WithHeldFundsAsync(account, async id =>
        {
            await AssertConfirmedAsync(id);
            await WaitForMessageAsync("capture-funds"); // it leaves after the commit
            await System.Orders[0].KillAsync();
            await StartAsync(System.Accounts[0]);
            await LoseAsync("orders-captured");
            await System.Accounts[0].KillAsync();
            await StartAsync(System.Orders[0]);
        }, OrderStatus.Confirmed, isAnswerLost: false);
        await AuditAsync();
        await WaitForBalancesAsync(account, 90, 0, 10);
    }

    [Test, Category("Long")]
    public async Task Should_report_a_hold_whose_order_nobody_knows()
    {
        var account = await OpenAccountAsync(100);
        await WithHeldFundsAsync(account, async id =>
        {
            await AssertConfirmedAsync(id);
            await WaitForMessageAsync("capture-funds"); // it leaves after the commit
            await System.Orders[0].KillAsync();
            await LoseAsync("capture-funds");
            await StartAsync(System.Accounts[0]);
            await Wait.UntilAsync(() => Task.FromResult(File.ReadAllText(System.Accounts[0].LogFile).Contains(
                $"The oldest: order {id}", StringComparison.Ordinal)), MaxWait, () => "the report of the hold");
            await System.Accounts[0].KillAsync();
            await StartAsync(System.Orders[0]);
        }, OrderStatus.Confirmed, isAnswerLost: false);
        await AuditAsync();
    }

    [Test, Category("Long")]
    public async Task Should_not_fill_a_queue_with_copies_while_nobody_reads_it()
    {
        var account = await OpenAccountAsync(10_000);
        await System.Accounts[0].KillAsync();
        await Task.Delay(TimeSpan.FromSeconds(3)); // Order forgets that batches were consumed
        var ids = await PlaceOrdersAsync(1100, account);
        await Wait.UntilAsync(async () => await CountMessagesAsync("reserve-funds") >= 1100, MaxWait,
            () => "the commands in the queue");
        await Task.Delay(TimeSpan.FromSeconds(4)); // eight times the delay after which one is sent again

        Assert.That(await CountMessagesAsync("reserve-funds"), Is.LessThan(1400));
        await StartAsync(System.Accounts[0]);
        await AssertConfirmedAsync(ids);
        await AuditAsync();
    }

    const string Awaiting = "select count(*) from orders where current_state = 'Confirmed' and resend_time is not null";

    /// <summary>
    /// Places an order, loses the answer to its reservation unless told otherwise, and starts Order while Account is
    /// down; then runs an action, starts Account, and waits for the order's end.
    /// </summary>
    async Task WithHeldFundsAsync(string account, Func<string, Task> action, OrderStatus end, bool isAnswerLost = true,
        string decided = "Held")
    {
        await System.Accounts[0].KillAsync();
        var id = await PlaceOrderAsync(account, 10);
        await WaitForMessageAsync("reserve-funds");
        await System.Orders[0].KillAsync();
        await StartAsync(System.Accounts[0]);
        var sql = $"select count(*) from reservations where order_id = '{id}' and status = '{decided}'";
        await Wait.UntilAsync(async () => await CountAsync(System.AccountDatabase, sql) == 1
            && await CountMessagesAsync("order-state") > 0, MaxWait, () => "the answer to ReserveFunds");
        await System.Accounts[0].KillAsync();
        if (isAnswerLost)
            await LoseAsync("order-state");
        await StartAsync(System.Orders[0]);
        await action(id);
        await StartAsync(System.Accounts[0]);
        Assert.That((await WaitForEndAsync(id)).Status, Is.EqualTo(end));
    }

    static async Task StartAsync(ServiceReplica replica)
    {
        replica.Start();
        await replica.WaitUntilReadyAsync();
    }

    /// <summary>Purges a queue once it holds a message.</summary>
    async Task LoseAsync(string queue)
    {
        await WaitForMessageAsync(queue);
        await Rabbit.PurgeAsync(System.VirtualHost, queue);
    }

    Task WaitForMessageAsync(string queue) => Wait.UntilAsync(
        async () => await CountMessagesAsync(queue) > 0, MaxWait, () => $"a message in {queue}");

    Task WaitUntilEmptyAsync(string queue) => Wait.UntilAsync(
        async () => await CountMessagesAsync(queue) == 0, MaxWait, () => $"queue {queue} to be empty");
}
