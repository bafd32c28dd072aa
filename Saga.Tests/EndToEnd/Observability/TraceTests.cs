using System.Diagnostics;
using System.Text.RegularExpressions;
using Grpc.Core;
using Saga.Faults;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Observability;

[TestFixture, Category("E2E")]
public sealed class When_orders_are_traced : TraceFixture
{
    [Test]
    public async Task Should_show_the_whole_way_of_an_order_in_the_trace_of_its_client([Values] bool json)
    {
        var account = await OpenAccountAsync(100);
        var trace = NewTrace();

        var order = await PlaceAsync(NewOrder(account, 30), trace, json);

        await AssertTraceAsync(trace, order,
        [
            "order-service: orders.v1.OrderService/CreateOrder",
            "order-service: commit",
            "order-service: send reserve-funds ReserveFunds",
            "account-service: process reserve-funds ReserveFunds",
            "account-service: commit",
            "account-service: send order-state FundsReserved",
            "order-service: process order-state FundsReserved",
            "order-service: send Contracts:OrderConfirmed OrderConfirmed",
            "account-service: process capture-funds OrderConfirmed",
            "account-service: send orders-captured OrdersCaptured",
            "order-service: process orders-captured OrdersCaptured",
        ]);
        var decided = Collector.Of(trace).Last(x => x.Name == "process order-state FundsReserved");
        Assert.That(decided.Tags["order.state"], Is.EqualTo("Confirmed"));
        Assert.That(Collector.Of(trace).SelectMany(x => x.Tags.Keys), Does.Contain("db.system.name"),
            "the statements of its commits");
    }

    [Test, Category("Long")]
    public async Task Should_continue_the_trace_of_a_message_that_recovery_sends()
    {
        var replica = System.Orders[0];
        var account = await OpenAccountAsync(100);
        var request = NewOrder(account, 10, requestId: $"{Guid.NewGuid()}");
        await replica.KillAsync();
        replica.Start(FaultSettings.KillAt("after-commit", 1));
        await replica.WaitUntilReadyAsync();
        var trace = NewTrace();
        Assert.That(() => PlaceAsync(request, trace), Throws.TypeOf<RpcException>());
        await RestartAsync(replica);

        var order = (await RetryAsync(() => Orders.CreateOrderAsync(request).ResponseAsync)).OrderId;

        await AssertConfirmedAsync(order);
        await WaitForSpansAsync(trace,
        [
            "order-service: send reserve-funds ReserveFunds",
            "account-service: process reserve-funds ReserveFunds",
            "order-service: process order-state FundsReserved",
        ]);
        Assert.That(Collector.Of(trace).Select(x => x.Tags.GetValueOrDefault("order.id")), Has.All.EqualTo(order));
    }

    [Test]
    public async Task Should_keep_the_traces_of_messages_apart_that_travel_and_commit_together()
    {
        const int count = 20;
        var account = await OpenAccountAsync(1_000_000);
        var before = await BatchesAsync();
        (string Trace, string Order)[] orders = [];
        // Senders find out about the consumers of batches while they send: in a second or more.
        var started = Stopwatch.StartNew();
        await Wait.UntilAsync(async () =>
        {
            var isUsed = await BatchesAsync() > before;
            orders = await Task.WhenAll(Enumerable.Range(0, count).Select(async _ =>
            {
                var trace = NewTrace();
                return (trace, await PlaceAsync(NewOrder(account, 1), trace));
            }));
            return isUsed && started.Elapsed > TimeSpan.FromSeconds(5);
        }, MaxWait, () => "the fast path to be used while traced", pollMilliseconds: 100);

        foreach (var (trace, order) in orders)
            await WaitForSpansAsync(trace,
            [
                "order-service: orders.v1.OrderService/CreateOrder",
                "order-service: send reserve-funds ReserveFunds",
                "account-service: process reserve-funds ReserveFunds",
                "order-service: process order-state FundsReserved",
                "account-service: process capture-funds OrderConfirmed",
            ]);
        var commits = Collector.Spans.Where(x => x.Name == "commit" && x.LinkedTraces.Count > 1).ToList();
        Assert.That(commits, Is.Not.Empty, "units that commit together are linked from the commit");
        foreach (var (trace, order) in orders)
            Assert.That(Collector.Of(trace).Where(x => Regex.IsMatch(x.Name, "CreateOrder|ReserveFunds|FundsReserved"))
                .Select(x => x.Tags.GetValueOrDefault("order.id")), Has.All.EqualTo(order));
    }

    [Test]
    public async Task Should_link_a_command_that_is_sent_again_to_the_trace_of_its_order()
    {
        var account = await OpenAccountAsync(100);
        var trace = NewTrace();
        System.Accounts[0].Send(Signal.Stop);
        string order;
        TracedSpan? resent = null;
        try
        {
            order = await PlaceAsync(NewOrder(account, 1), trace);
            await Wait.UntilAsync(() => Task.FromResult((resent = Collector.Spans.FirstOrDefault(
                x => x.Name == "resend Reserving" && x.Tags["order.id"] == order)) != null), MaxWait,
                () => "the command to be sent again");
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        Assert.That(resent!.ParentId, Is.Empty, "its own trace");
        Assert.That(resent.LinkedTraces, Is.EqualTo([trace]));
        await WaitForSpansAsync(resent.TraceId, ["order-service: send reserve-funds ReserveFunds"]);
        Assert.That(Collector.Of(resent.TraceId).Select(x => x.Tags.GetValueOrDefault("order.id")),
            Has.All.EqualTo(order));
        await AssertConfirmedAsync(order);
        await WaitUntilSettledAsync(order); // the next test's capture is not answered in this trace
    }

    [Test]
    public async Task Should_export_nothing_of_a_trace_that_is_not_sampled()
    {
        var account = await OpenAccountAsync(100);
        var trace = NewTrace();

        var order = await PlaceAsync(NewOrder(account, 1), trace, isSampled: false);
        await AssertConfirmedAsync(order);
        await WaitUntilSettledAsync(order); // captures that are answered together are answered in the first's trace

        var later = NewTrace();
        await PlaceAsync(NewOrder(account, 1), later);
        await WaitForSpansAsync(later, ["order-service: process orders-captured OrdersCaptured"]);
        Assert.That(Collector.Of(trace), Is.Empty);
        Assert.That(Collector.Spans.Where(x => x.ParentId == ""
            && !x.Name.StartsWith("orders.v1.", StringComparison.Ordinal)
            && !x.Name.StartsWith("accounts.v1.", StringComparison.Ordinal)
            && !x.Name.StartsWith("resend ", StringComparison.Ordinal)), Is.Empty, "traces begin with calls");
        Assert.That(Collector.Spans.Where(x => x.Name.EndsWith("/CreateOrder", StringComparison.Ordinal)
            && !x.Tags.ContainsKey("order.id")), Is.Empty, "the rejected calls of the warm-up are not traced");
    }
}

[TestFixture, Category("E2E")]
public sealed class When_a_traced_order_times_out : TraceFixture
{
    protected override TimeSpan ReservationTimeout => TimeSpan.FromSeconds(3);

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>(base.Settings)
    {
        ["Saga__ResendDelay"] = "01:00:00", // so that the timeout's own message cancels the order
        ["Saga__MaxResendDelay"] = "01:00:00",
    };

    [Test]
    public async Task Should_continue_the_trace_at_the_timeout()
    {
        var account = await OpenAccountAsync(100);
        var trace = NewTrace();
        System.Accounts[0].Send(Signal.Stop);
        string order;
        try
        {
            order = await PlaceAsync(NewOrder(account, 20), trace);
            await WaitForOrderAsync(order, x => x.Status == global::Orders.V1.OrderStatus.Cancelling);
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        await AssertTraceAsync(trace, order,
        [
            "order-service: send order-state ReservationTimedOut",
            "order-service: process order-state ReservationTimedOut",
            "order-service: send release-funds ReleaseFunds",
            "account-service: process release-funds ReleaseFunds",
            "order-service: process order-state FundsReleased",
        ]);
    }
}
