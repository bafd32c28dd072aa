using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Operations.V1;
using Saga.Services;
using OrderStatus = Orders.V1.OrderStatus;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Operators;

[TestFixture, Category("E2E")]
public sealed partial class When_an_operator_mends_what_is_stuck : OperatorFixture
{
    const string Queue = "reserve-funds";

    protected override OrderSystemOptions Options => base.Options with { AccountReplicas = 2 };

    [Test]
    public async Task Should_pause_a_queue_on_all_replicas_also_after_a_restart_until_it_is_resumed()
    {
        var account = await OpenAccountAsync(100);
        await AssertConfirmedAsync(await PlaceOrderAsync(account, 1));

        var paused = await Operations.PauseQueueAsync(new PauseQueueRequest
        {
            Name = Queue,
            Operator = Operator,
            Reason = Reason,
        });
        Assert.That((paused.IsPaused, paused.Operator, paused.Reason), Is.EqualTo((true, Operator, Reason)));
        await WaitForConsumersAsync(0);
        var orders = await PlaceOrdersAsync(5, account);
        await RestartAsync(System.Accounts[1]);
        await Wait.UntilAsync(async () => (await FindQueueAsync()).Messages + (await FindQueueAsync()).Batches > 0,
            MaxWait, () => "messages to wait");

        Assert.That((await FindQueueAsync()).Consumers, Is.Zero);
        Assert.That((await FindQueueAsync()).Pause.Operator, Is.EqualTo(Operator));
        Assert.That((await GetOrderAsync(orders[0])).Status, Is.EqualTo(OrderStatus.Pending));
        Assert.That((await ExplainAsync(orders[0])).Advice, Has.One.Contains($"ops resume {Queue}"));
        foreach (var replica in System.Accounts)
        {
            Assert.That(await HealthAsync(replica), Is.EqualTo("Degraded"));
            await Wait.UntilAsync(async () => (await Scrape.ReadAsync(replica)).Sum("messaging_queue_paused",
                ("messaging_destination_name", Queue)) == 1, MaxWait, () => "the metric to be 1");
            Assert.That(await File.ReadAllTextAsync(replica.LogFile),
                Does.Contain($"The queue {Queue} is paused").And.Not.Contain(Operator).And.Not.Contain(Reason));
        }

        await Operations.ResumeQueueAsync(new ResumeQueueRequest
        {
            Name = Queue,
            Operator = Operator,
            Reason = Reason,
        });
        await AssertConfirmedAsync(orders);
        await WaitForConsumersAsync(2);
        Assert.That((await FindQueueAsync()).Pause, Is.Null);
        Assert.That(await HealthAsync(System.Accounts[0]), Is.EqualTo("Healthy"));
        foreach (var action in new[] { nameof(Operations.PauseQueue), nameof(Operations.ResumeQueue) })
            Assert.That((await AuditTrailAsync(action))[^1].Outcome, Is.EqualTo("Succeeded"));
        await AuditAsync();
    }

    [Test, Category("Long")]
    public async Task Should_redrive_orders_whose_messages_were_lost_by_commands()
    {
        var account = await OpenAccountAsync(100);
        Assert.That((await RunAsync("pause", Queue, "--reason", Reason, "--yes")).Code, Is.Zero);
        await WaitForConsumersAsync(0);
        var order = await PlaceOrderAsync(account, 1);
        await Wait.UntilAsync(async () => await CountMessagesAsync(Queue) == 1, MaxWait, () => "the command to wait");
        // The broker shows a new connection after some seconds.
        var overview = await RunAsync("overview");
        await Wait.UntilAsync(async () => (overview = await RunAsync("overview")).Output.Contains(
            $"process {System.Accounts[1].ProcessId}", StringComparison.Ordinal), MaxWait, () => overview.Output);
        Assert.That(overview.Code, Is.EqualTo(1), overview.Error);
        Assert.That(overview.Output, Does.Match(@"orders per second +[0-9.]*[1-9]")
            .And.Match(@"orders that wait for FundsReserved +1 ")
            .And.Match(@"outbox of Order +0 unsent, 0 parked").And.Contain($"The queue {Queue} is paused"));
        await System.Servers.Rabbit.PurgeAsync(System.VirtualHost, Queue);
        Assert.That((await RunAsync("resume", Queue, "--reason", Reason, "--yes")).Code, Is.Zero);

        var stuck = await RunAsync("stuck", "--older-than", "00:00:00");
        Assert.That(stuck.Code, Is.EqualTo(1), stuck.Error);
        Assert.That(stuck.Output, Does.Contain(order).And.Contain("FundsReserved"));
        string[] redrive = ["redrive", "--queue", Queue, "--reason", Reason];
        Assert.That((await RunAsync([.. redrive, "--dry-run"])).Output, Does.Contain("0 of 1 sent"));
        Assert.That((await RunAsync(redrive)).Code, Is.EqualTo(1), "nobody can confirm");
        Assert.That((await GetOrderAsync(order)).Status, Is.EqualTo(OrderStatus.Pending));
        Assert.That((await RunAsync([.. redrive, "--yes"])).Output, Does.Contain("1 of 1 sent"));

        await AssertConfirmedAsync(order);
        var explained = await RunAsync("explain", order, "--json");
        Assert.That(explained.Code, Is.Zero, explained.Error);
        using var json = JsonDocument.Parse(explained.Output);
        Assert.That(json.RootElement.GetProperty("order").GetProperty("state").GetString(), Is.EqualTo("Confirmed"));
        var table = await RunAsync("explain", order);
        Assert.That(table.Output, Does.Contain("Hold of 1 EUR").And.Contain("the order became Confirmed"));
        Assert.That((await RunAsync("audit", "--lines", "2")).Output, Does.Contain("Redrive").And.Contain("Succeeded"));
        Assert.That((await RunAsync("report")).Code, Is.Zero);
        Assert.That((await RunAsync("overview")).Output, Does.Contain("Nothing needs help."));
        Assert.That((await RunAsync("explain", $"{Guid.NewGuid()}")).Code, Is.EqualTo(2));
        await AuditAsync();
    }

    [Test]
    public async Task Should_send_or_discard_parked_messages()
    {
        var account = await OpenAccountAsync(100);
        Assert.That((await RunAsync("pause", Queue, "--reason", Reason, "--yes")).Code, Is.Zero);
        await WaitForConsumersAsync(0);
        var (sent, discarded) = (await PlaceOrderAsync(account, 1), await PlaceOrderAsync(account, 1));

        var group = await ParkTimeoutAsync(sent);
        Assert.That((group.Kind, group.Queue, group.MessageType, group.ExceptionType, group.Reason), Is.EqualTo((
            DeadLetterKind.Parked, "order-state", "Orders:ReservationTimedOut", "X", "X: no route")));
        Assert.That((await ExplainAsync(sent)).Advice, Has.One.Contains($"ops dead-letters replay {group.GroupId}"));
        var replay = await RunAsync("dead-letters", "replay", group.GroupId, "--reason", Reason, "--yes");
        Assert.That(replay.Output, Does.Contain("1 of 1 returned"), replay.Error);
        Assert.That((await WaitForEndAsync(sent)).Reason, Is.EqualTo(global::Orders.V1.OrderReason.TimedOut));

        group = await ParkTimeoutAsync(discarded);
        var discard = await RunAsync("dead-letters", "discard", group.GroupId, "--reason", Reason, "--yes");
        Assert.That(discard.Output, Does.Contain("1 deleted, 0 kept"), discard.Error);
        Assert.That(await DeadLettersAsync(), Is.Empty);
        Assert.That((await RunAsync("resume", Queue, "--reason", Reason, "--yes")).Code, Is.Zero);
        await AssertConfirmedAsync(discarded);
        await AuditAsync();
    }

    /// <summary>Parks the timeout of an order, as if the broker had refused it for a day.</summary>
    async Task<DeadLetterGroup> ParkTimeoutAsync(string orderId)
    {
        await ExecuteAsync(System.OrderDatabase, $"""
            update outbox_message set parked = now(), token_id = null, attempts = 1500, last_error = 'X: no route'
            where body like '%{orderId}%' and message_type like '%ReservationTimedOut%'
            """);
        return (await DeadLettersAsync()).Single();
    }

    [Test]
    public async Task Should_export_a_time_range_and_continue_after_an_id()
    {
        var account = await OpenAccountAsync(100);
        var from = DateTime.UtcNow;
        var orders = new List<string>();
        for (var i = 0; i < 3; i++)
            orders.Add(await PlaceOrderAsync(account, 1));
        await AssertConfirmedAsync(orders);
        await WaitForBalancesAsync(account, available: 97, held: 0, captured: 3);
        string[] export = ["--from", $"{from:O}", "--to", $"{DateTime.UtcNow.AddMinutes(1):O}"];

        var all = await RunAsync(["export", "orders", "--csv", .. export]);
        Assert.That(all.Output, Does.StartWith("order_id,account_id,state,reason,total,total_currency,"));
        Assert.That(all.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1)
            .Select(x => x.Split(',')[0]), Is.EqualTo(orders));
        var rest = await RunAsync(["export", "orders", "--after", orders[0], .. export]);
        Assert.That(rest.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(x => JsonDocument.Parse(x)
            .RootElement.GetProperty("orderId").GetString()), Is.EqualTo(orders.Skip(1)));
        var entries = await RunAsync(["export", "entries", "--csv", .. export]);
        Assert.That(entries.Output.Split('\n').Count(x => x.Contains(",Capture,", StringComparison.Ordinal)),
            Is.EqualTo(3), entries.Error);
        await AuditAsync();
    }

    [Test]
    public void Should_name_the_queues_when_there_is_no_such_queue() => Assert.That(
        () => Operations.PauseQueueAsync(new PauseQueueRequest
        {
            Name = "no-such-queue",
            Operator = Operator,
            Reason = Reason,
        }).ResponseAsync, Throws.TypeOf<RpcException>()
            .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.NotFound));

    [Test]
    public void Should_reject_an_age_that_cannot_be() => Assert.That(
        () => Operations.ListStuckAsync(new ListStuckRequest { OlderThan = new Duration { Seconds = -1 } })
            .ResponseAsync, Throws.TypeOf<RpcException>()
            .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.InvalidArgument));

    async Task<BrokerQueue> FindQueueAsync(string queue = Queue) =>
        (await Operations.ListQueuesAsync(new ListBrokerQueuesRequest())).Queues.Single(x => x.Name == queue);

    Task WaitForConsumersAsync(int count, string queue = Queue) => Wait.UntilAsync(
        async () => (await FindQueueAsync(queue)).Consumers == count, MaxWait, () => $"{count} consumers of {queue}");

    static async Task<string> HealthAsync(ServiceReplica replica)
    {
        using var http = replica.NewHttpClient();
        return await http.GetStringAsync("/health/ready");
    }
}
