using System.Net;
using System.Net.Mime;
using System.Text;
using Google.Rpc;
using Grpc.Core;
using Orders.V1;
using Saga.Servers;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_too_many_orders_are_open : SystemFixture
{
    const int MaxOpen = 20;

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Admission__MaxOpenOrders"] = $"{MaxOpen}",
        ["Admission__RetryDelay"] = "00:00:00.2",
        ["Admission__MaxUnsentAge"] = "00:05:00",
    };

    [Test]
    public async Task Should_reject_calls_until_orders_have_ended()
    {
        var account = await OpenAccountAsync(1000);
        await System.Accounts[0].KillAsync();
        var placed = new List<string>();
        RpcException? rejection = null;
        while (rejection == null && placed.Count <= 10 * MaxOpen)
            try
            {
                placed.Add(await PlaceOrderAsync(account, 1));
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
            {
                rejection = e;
            }

        Assert.That(placed, Has.Count.InRange(MaxOpen / 2, MaxOpen),
            "never more; fewer if orders are counted twice until the next snapshot");
        Assert.That(rejection?.GetRpcStatus()?.GetDetail<RetryInfo>()?.RetryDelay.ToTimeSpan(),
            Is.EqualTo(TimeSpan.FromMilliseconds(200)));
        Assert.That(rejection!.Status.Detail, Does.StartWith($"{MaxOpen} orders are under way"));
        using var http = System.Orders[0].NewHttpClient();
        var json = NewOrder(account, 1).ToString();
        HttpResponseMessage response = null!;
        await Wait.UntilAsync(async () =>
        {
            using var content = new StringContent(json, Encoding.UTF8, MediaTypeNames.Application.Json);
            response = await http.PostAsync("/v1/orders", content);
            return response.StatusCode == HttpStatusCode.TooManyRequests;
        }, MaxWait, () => "an order as JSON to be rejected");
        Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain("RetryInfo").And.Contain("0.200s"));
        Assert.That(() => Orders.CreateOrderAsync(new CreateOrderRequest()).ResponseAsync, Throws.TypeOf<RpcException>()
            .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.ResourceExhausted),
            "admission is checked before the request is validated");
        Assert.That((await GetOrderAsync(placed[0])).Status, Is.Not.EqualTo(OrderStatus.Unspecified),
            "existing orders can still be read");

        System.Accounts[0].Start();
        await System.Accounts[0].WaitUntilReadyAsync();
        await WaitForEndAsync(placed);
        var later = await UntilAdmittedAsync(() => PlaceOrderAsync(account, 1));
        Assert.That((await WaitForEndAsync(later)).Status, Is.EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    [Test]
    public async Task Should_reject_calls_while_messages_wait_for_the_broker_but_not_for_a_rejected_message()
    {
        var account = await OpenAccountAsync(1000);
        await ExecuteAsync(System.OrderDatabase, """
            insert into outbox_message (id, message_id, sent_time, enqueue_time, destination_address, message_type,
                content_type, body, attempts)
            values (gen_random_uuid(), gen_random_uuid(), now() - interval '10 minutes', now() + interval '50 s',
                'exchange:nowhere', '', '', '', 0)
            """);
        await Wait.UntilAsync(async () => (await UntilRejectedAsync(() => PlaceOrderAsync(account, 1))).Status.Detail
            .Contains("the oldest unsent message", StringComparison.Ordinal), MaxWait, () => "a call to be rejected");

        await ExecuteAsync(System.OrderDatabase,
            "update outbox_message set attempts = 1 where destination_address = 'exchange:nowhere'");
        await UntilAdmittedAsync(() => PlaceOrderAsync(account, 1));
        await ExecuteAsync(System.OrderDatabase,
            "delete from outbox_message where destination_address = 'exchange:nowhere'");
        await AuditAsync();
    }
}
