using System.Diagnostics;
using Grpc.Core;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Observability;

/// <summary>Runs both services with a collector of their spans.</summary>
public abstract class TraceFixture : SystemFixture
{
    internal SpanCollector Collector { get; } = new();

    protected override IReadOnlyDictionary<string, string> Settings => Collector.Settings;

    [OneTimeTearDown]
    public async Task StopCollectorAsync() => await Collector.DisposeAsync();

    protected static string NewTrace() => ActivityTraceId.CreateRandom().ToHexString();

    protected async Task<string> PlaceAsync(global::Orders.V1.CreateOrderRequest request, string trace,
        bool json = false, bool isSampled = true)
    {
        var parent = $"00-{trace}-{ActivitySpanId.CreateRandom().ToHexString()}-0{(isSampled ? 1 : 0)}";
        if (!json)
            return (await Orders.CreateOrderAsync(request, new Metadata { { "traceparent", parent } })).OrderId;
        using var http = System.Orders[0].NewHttpClient();
        using var content = new StringContent(request.ToString(), null, "application/json");
        http.DefaultRequestHeaders.Add("traceparent", parent);
        var response = await (await http.PostAsync("/v1/orders", content)).Content.ReadAsStringAsync();
        return global::Orders.V1.CreateOrderResponse.Parser.ParseJson(response).OrderId;
    }

    /// <summary>Asserts that the order's spans, each with its id, are one tree under the client's span.</summary>
    protected async Task AssertTraceAsync(string trace, string order, string[] names)
    {
        await WaitForSpansAsync(trace, names);
        var spans = Collector.Of(trace);
        var ids = spans.Select(x => x.SpanId).ToHashSet();
        Assert.That(spans.Count(x => !ids.Contains(x.ParentId)), Is.EqualTo(1), "the only root is the server's span");
        Assert.That(spans.Select(x => x.Tags.GetValueOrDefault("order.id")), Has.All.EqualTo(order));
    }

    protected Task WaitForSpansAsync(string trace, string[] names) => Wait.UntilAsync(
        () => Task.FromResult(names.All(x => Collector.Of(trace).Any(y => y.ToString() == x))), MaxWait,
        () => $"{string.Join(", ", names.Except(Collector.Of(trace).Select(x => x.ToString())))}\nbeside:\n"
            + string.Join('\n', Collector.Of(trace)));

    protected async Task<double> BatchesAsync() =>
        (await Scrape.ReadAsync(System.Orders[0])).Sum("messaging_batch_messages_count")
            + (await Scrape.ReadAsync(System.Accounts[0])).Sum("messaging_batch_messages_count");
}
