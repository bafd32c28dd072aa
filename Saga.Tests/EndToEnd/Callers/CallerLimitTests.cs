using System.Net;
using Google.Rpc;
using Grpc.Core;
using Orders.V1;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Callers;

[TestFixture, Category("E2E")]
public sealed class When_a_caller_takes_more_than_its_share : SystemFixture
{
    const int MaxOpenOrders = 20;

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Admission__MaxOpenOrders"] = $"{MaxOpenOrders}",
        ["Admission__MaxCallerShare"] = "0.5",
        ["Authentication__MaxCallsPerSecond"] = "10", // fewer than the slowest machine serves
    };

    [Test]
    public async Task Should_reject_its_calls_but_not_those_of_others()
    {
        using var alice = System.Orders[0].ConnectAs(TokenIssuer.Instance.Sign("alice"));
        var orders = new OrderService.OrderServiceClient(alice);
        var reasons = await Task.WhenAll(Enumerable.Range(0, 200).Select(async _ =>
        {
            try
            {
                await orders.ListOrdersAsync(new ListOrdersRequest());
                return "";
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
            {
                Assert.That(e.GetRpcStatus()?.GetDetail<RetryInfo>(), Is.Not.Null);
                return e.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason;
            }
        }));
        Assert.That(reasons.Distinct(), Is.EquivalentTo(new[] { "", "TOO_MANY_CALLS_OF_CALLER" }));
        using (var http = System.Orders[0].NewHttpClient(TokenIssuer.Instance.Sign("alice")))
        {
            var statuses = await Task.WhenAll(Enumerable.Range(0, 200).Select(async _ =>
                (await http.GetAsync("/v1/orders")).StatusCode));
            Assert.That(statuses, Has.Some.EqualTo(HttpStatusCode.TooManyRequests));
        }

        await Orders.ListOrdersAsync(new ListOrdersRequest()); // by another caller
    }

    [Test]
    public async Task Should_leave_places_for_others()
    {
        var account = await OpenAccountAsync(100);
        foreach (var replica in System.Accounts)
            replica.Send(Servers.Signal.Stop);
        try
        {
            for (var i = 0; i < MaxOpenOrders / 2; i++)
                await UntilAdmittedAsync(() => PlaceOrderAsync(account, 1));
            var error = await Assert.ThrowsAsync<RpcException>(() => PlaceOrderAsync(account, 1));
            Assert.That(error!.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason,
                Is.EqualTo("TOO_MANY_OPEN_ORDERS_OF_CALLER"));
            using var bob = System.Orders[0].ConnectAs(TokenIssuer.Instance.Sign("bob"));
            await new OrderService.OrderServiceClient(bob).CreateOrderAsync(NewOrder(account, 1));
        }
        finally
        {
            foreach (var replica in System.Accounts)
                replica.Send(Servers.Signal.Continue);
        }

        await Servers.Wait.UntilAsync(async () => await CountAsync(System.OrderDatabase,
            "select count(*) from orders where current_state in ('Initial', 'Reserving')") == 0, MaxWait,
            () => "the orders to end");
        await AuditAsync();
    }
}
