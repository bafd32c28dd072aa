using System.Diagnostics;
using System.Net;
using Grpc.Core;
using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture, Category("E2E")]
public sealed class When_a_replica_is_stopped : SystemFixture
{
    static readonly TimeSpan Delay = TimeSpan.FromSeconds(12);

    protected override OrderSystemOptions Options => new() { OrderReplicas = 2 };

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Shutdown__Delay"] = Delay.ToString("c"),
    };

    [Test]
    public async Task Should_be_unready_first_serve_for_the_delay_and_end_streams_so_that_clients_retry()
    {
        var account = await OpenAccountAsync(100);
        var stopped = System.Orders[1];
        var client = new OrderService.OrderServiceClient(stopped.Channel);
        using var http = stopped.NewHttpClient();
        System.Accounts[0].Send(Signal.Stop);
        var watched = await PlaceOrderAsync(account, 1);
        using var watch = client.WatchOrder(new WatchOrderRequest { OrderId = watched });
        Assert.That(await watch.ResponseStream.MoveNext(default));

        stopped.Send(Signal.Term);
        var stopping = Stopwatch.StartNew();
        await Wait.UntilAsync(async () =>
            (await http.GetAsync("/health/ready")).StatusCode == HttpStatusCode.ServiceUnavailable,
            Delay / 2, () => "the replica to be unready");
        do
        {
            await client.GetOrderAsync(new GetOrderRequest { OrderId = watched });
            Assert.That((await http.GetAsync("/health/live")).StatusCode, Is.EqualTo(HttpStatusCode.OK));
            await Task.Delay(50);
        }
        while (stopping.Elapsed < Delay / 3);
        await client.CreateOrderAsync(NewOrder(account, 1));
        var end = await Assert.ThrowsAsync<RpcException>(() => watch.ResponseStream.MoveNext(default));
        Assert.That(end!.StatusCode, Is.EqualTo(StatusCode.Unavailable));
        Assert.That(stopping.Elapsed, Is.GreaterThan(Delay - TimeSpan.FromSeconds(0.5)));
        await Wait.UntilAsync(() => Task.FromResult(stopped.HasExited), TimeSpan.FromSeconds(10),
            () => "the process to end");

        System.Accounts[0].Send(Signal.Continue);
        Assert.That((await WaitForEndAsync(watched)).Status, Is.EqualTo(OrderStatus.Confirmed));
        stopped.Start();
        await stopped.WaitUntilReadyAsync();
        await AuditAsync();
    }
}
