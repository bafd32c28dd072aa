using System.Diagnostics;
using System.Text.RegularExpressions;
using Grpc.Core;
using Saga.Servers;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_orders_are_traced : SystemFixture
{
    readonly SpanCollector _collector = new();

    protected override TimeSpan ReservationTimeout => TimeSpan.FromMinutes(2);

    protected override IReadOnlyDictionary<string, string> Settings => _collector.Settings;

    [OneTimeTearDown]
    public async Task StopCollectorAsync() => await _collector.DisposeAsync();

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
        var decided = _collector.Of(trace).Last(x => x.Name == "process order-state FundsReserved");
        Assert.That(decided.Tags["order.state"], Is.EqualTo("Confirmed"));
        Assert.That(_collector.Of(trace).SelectMany(x => x.Tags.Keys), Does.Contain("db.system.name"),
            "the statements of its commits");
    }

    [Test]
    public async Task Should_keep_the_traces_of_messages_apart_that_travel_and_commit_together()
    {
        const int count = 200;
        var account = await OpenAccountAsync(1_000_000);
        (string Trace, string Order)[] orders = [];

        // Senders find out about the consumers of batches while they send.
        await Wait.UntilAsync(async () =>
        {
            var before = await BatchesAsync();
            orders = await Task.WhenAll(Enumerable.Range(0, count).Select(async _ =>
            {
                var trace = NewTrace();
                return (trace, await PlaceAsync(NewOrder(account, 1), trace));
            }));
            await WaitForEndAsync(orders.Select(x => x.Order));
            return await BatchesAsync() > before;
        }, MaxWait, () => "the fast path to be used while traced");

        foreach (var (trace, order) in orders)
            await WaitForSpansAsync(trace,
            [
                "order-service: orders.v1.OrderService/CreateOrder",
                "order-service: send reserve-funds ReserveFunds",
                "account-service: process reserve-funds ReserveFunds",
                "order-service: process order-state FundsReserved",
                "account-service: process capture-funds OrderConfirmed",
            ]);
        var commits = _collector.Spans.Where(x => x.Name == "commit" && x.LinkedTraces.Count > 1).ToList();
        Assert.That(commits, Is.Not.Empty, "units that commit together are linked from the commit");
        foreach (var (trace, order) in orders)
            Assert.That(_collector.Of(trace).Where(x => Regex.IsMatch(x.Name, "CreateOrder|ReserveFunds|FundsReserved"))
                .Select(x => x.Tags.GetValueOrDefault("order.id")), Has.All.EqualTo(order));
    }

    [Test]
    public async Task Should_export_nothing_of_a_trace_that_is_not_sampled()
    {
        var account = await OpenAccountAsync(100);
        var trace = NewTrace();

        await AssertConfirmedAsync(await PlaceAsync(NewOrder(account, 1), trace, isSampled: false));

        var later = NewTrace();
        await PlaceAsync(NewOrder(account, 1), later);
        await WaitForSpansAsync(later, ["order-service: process orders-captured OrdersCaptured"]);
        Assert.That(_collector.Of(trace), Is.Empty);
        Assert.That(_collector.Spans.Where(x => x.ParentId == ""
            && !x.Name.StartsWith("orders.v1.", StringComparison.Ordinal)
            && !x.Name.StartsWith("accounts.v1.", StringComparison.Ordinal)), Is.Empty, "traces begin with calls");
    }

    static string NewTrace() => ActivityTraceId.CreateRandom().ToHexString();

    async Task<string> PlaceAsync(global::Orders.V1.CreateOrderRequest request, string trace, bool json = false,
        bool isSampled = true)
    {
        var parent = $"00-{trace}-{ActivitySpanId.CreateRandom().ToHexString()}-0{(isSampled ? 1 : 0)}";
        if (!json)
            return (await Orders.CreateOrderAsync(request, new Metadata { { "traceparent", parent } })).OrderId;
        using var http = new HttpClient { BaseAddress = System.Orders[0].HttpAddress };
        using var content = new StringContent(request.ToString(), null, "application/json");
        http.DefaultRequestHeaders.Add("traceparent", parent);
        var response = await (await http.PostAsync("/v1/orders", content)).Content.ReadAsStringAsync();
        return global::Orders.V1.CreateOrderResponse.Parser.ParseJson(response).OrderId;
    }

    /// <summary>Asserts that the order's spans, each with its id, are one tree under the client's span.</summary>
    async Task AssertTraceAsync(string trace, string order, string[] names)
    {
        await WaitForSpansAsync(trace, names);
        var spans = _collector.Of(trace);
        var ids = spans.Select(x => x.SpanId).ToHashSet();
        Assert.That(spans.Count(x => !ids.Contains(x.ParentId)), Is.EqualTo(1), "the only root is the server's span");
        Assert.That(spans.Select(x => x.Tags.GetValueOrDefault("order.id")), Has.All.EqualTo(order));
    }

    Task WaitForSpansAsync(string trace, string[] names) => Wait.UntilAsync(
        () => Task.FromResult(names.All(x => _collector.Of(trace).Any(y => y.ToString() == x))), MaxWait,
        () => $"{string.Join(", ", names.Except(_collector.Of(trace).Select(x => x.ToString())))}\nbeside:\n"
            + string.Join('\n', _collector.Of(trace)));

    async Task<double> BatchesAsync() =>
        (await Scrape.ReadAsync(System.Orders[0])).Sum("messaging_batch_messages_count")
            + (await Scrape.ReadAsync(System.Accounts[0])).Sum("messaging_batch_messages_count");
}
