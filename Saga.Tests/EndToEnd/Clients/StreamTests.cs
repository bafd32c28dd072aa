using System.Diagnostics;
using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture, Category("E2E")]
public sealed class When_a_watched_order_does_not_change : SystemFixture
{
    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Watch__MaxSilence"] = "00:00:01",
    };

    string _order = null!;

    [SetUp]
    public async Task PauseAccountAsync()
    {
        var account = await OpenAccountAsync(100);
        System.Accounts[0].Send(Signal.Stop);
        _order = await PlaceOrderAsync(account, 1);
    }

    [TearDown]
    public async Task ResumeAccountAsync()
    {
        System.Accounts[0].Send(Signal.Continue);
        await AuditAsync();
    }

    [Test]
    public async Task Should_send_it_again_after_the_longest_silence()
    {
        var started = Stopwatch.StartNew();
        using var watch = Orders.WatchOrder(new WatchOrderRequest { OrderId = _order },
            deadline: DateTime.UtcNow + MaxWait);
        Assert.That(await watch.ResponseStream.MoveNext(default));
        for (var i = 0; i < 3; i++)
        {
            Assert.That(await watch.ResponseStream.MoveNext(default));
            Assert.That(watch.ResponseStream.Current.Status, Is.EqualTo(OrderStatus.Pending));
        }

        Assert.That(started.Elapsed, Is.GreaterThan(TimeSpan.FromSeconds(2.5)), "not more often than necessary");
        System.Accounts[0].Send(Signal.Continue);
        while (watch.ResponseStream.Current.Status == OrderStatus.Pending)
            Assert.That(await watch.ResponseStream.MoveNext(default));
        Assert.That(watch.ResponseStream.Current.Status, Is.EqualTo(OrderStatus.Confirmed));
        Assert.That(await watch.ResponseStream.MoveNext(default), Is.False);
    }

    [Test, Category("Long")]
    public async Task Should_close_the_connection_of_a_client_that_does_not_respond_any_more()
    {
        await using var client = await SlowHttp2Client.ConnectAsync(System.Orders[0].GrpcAddress);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var started = Stopwatch.StartNew();
        await client.CallSilentlyAsync("/orders.v1.OrderService/WatchOrder",
            new WatchOrderRequest { OrderId = _order }, limit.Token);
        Assert.That(started.Elapsed, Is.GreaterThan(TimeSpan.FromSeconds(20)), "a slow client keeps its connection");
    }

    [Test, Category("Long"), Platform("Linux")]
    public async Task Should_end_the_json_stream_of_a_client_whose_packets_are_lost()
    {
        using var client = LossyClient.Of(System.Orders[0]);
        using var response = await client.Http.GetAsync(
            $"/v1/orders/{_order}:watch", HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.That(await lines.ReadLineAsync(), Does.Contain("PENDING"));
        var ended = await EndedWatchesAsync();
        client.LoseAllPackets();
        var started = Stopwatch.StartNew();
        await Wait.UntilAsync(async () => await EndedWatchesAsync() > ended, TimeSpan.FromMinutes(2),
            () => "the stream to end");
        Assert.That(started.Elapsed, Is.GreaterThan(TimeSpan.FromSeconds(20)), "a slow client keeps its connection");
    }

    async Task<double> EndedWatchesAsync() => (await Scrape.ReadAsync(System.Orders[0])).Sum(
        "rpc_server_call_duration_seconds_count", ("rpc_method", "orders.v1.OrderService/WatchOrder"));

    [Test]
    public async Task Should_ask_proxies_not_to_collect_the_lines_of_a_json_stream()
    {
        using var http = System.Orders[0].NewHttpClient();
        using var response = await http.GetAsync(
            $"/v1/orders/{_order}:watch", HttpCompletionOption.ResponseHeadersRead);
        Assert.That(response.Headers.GetValues("X-Accel-Buffering"), Is.EqualTo(new[] { "no" }));
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        for (var i = 0; i < 3; i++)
            Assert.That(await lines.ReadLineAsync(), Does.Contain("PENDING"));
    }

    [Test]
    public async Task Should_keep_streams_open_through_nginx_with_its_defaults()
    {
        await using var nginx = Nginx.Start(System.Servers.Folder, System.Orders[0]);
        using var http = BearerCredentials.NewHttpClient(nginx.HttpAddress);
        await Wait.UntilAsync(async () =>
        {
            try
            {
                return (await http.GetAsync("/health/live")).IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }, MaxWait, () => "nginx");

        using var channel = BearerCredentials.Connect(nginx.GrpcAddress);
        using var watch = new OrderService.OrderServiceClient(channel).WatchOrder(
            new WatchOrderRequest { OrderId = _order }, deadline: DateTime.UtcNow + MaxWait);
        using var response = await http.GetAsync(
            $"/v1/orders/{_order}:watch", HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        var (first, started) = (TimeSpan.Zero, Stopwatch.StartNew());
        while (started.Elapsed < 1.5 * Nginx.ReadTimeout)
        {
            Assert.That(await watch.ResponseStream.MoveNext(default));
            Assert.That(await lines.ReadLineAsync(), Does.Contain("PENDING"));
            first = first == TimeSpan.Zero ? started.Elapsed : first;
        }

        // Collected lines would arrive when they fill a buffer of 4 kB, after more than ten seconds.
        Assert.That(first, Is.LessThan(TimeSpan.FromSeconds(8)), "the first line arrives at once");
    }
}
