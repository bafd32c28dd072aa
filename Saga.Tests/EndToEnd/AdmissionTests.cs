using System.Net;
using System.Net.Mime;
using System.Text;
using Google.Rpc;
using Grpc.Core;
using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_too_much_is_under_way : SystemFixture
{
    const int MaxOpen = 20;

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Admission__MaxOpenOrders"] = $"{MaxOpen}",
        ["Admission__RetryDelay"] = "00:00:00.2",
    };

    [Test]
    public async Task Should_send_clients_away_until_orders_have_ended()
    {
        var account = await OpenAsync(1000);
        await System.Accounts[0].KillAsync();
        var placed = new List<string>();
        RpcException? refusal = null;
        while (refusal == null && placed.Count <= 10 * MaxOpen)
            try
            {
                placed.Add(await PlaceAsync(account, 1));
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
            {
                refusal = e;
            }

        Assert.That(placed, Has.Count.InRange(MaxOpen / 2, MaxOpen), "never more; fewer if some were counted twice for a moment");
        Assert.That(refusal?.GetRpcStatus()?.GetDetail<RetryInfo>()?.RetryDelay.ToTimeSpan(), Is.EqualTo(TimeSpan.FromMilliseconds(200)));
        Assert.That(refusal!.Status.Detail, Does.StartWith($"{MaxOpen} orders are under way"));
        using var http = new HttpClient { BaseAddress = System.Orders[0].HttpAddress };
        HttpResponseMessage asJson = null!;
        await Wait.UntilAsync(async () =>
            (asJson = await http.PostAsync("/v1/orders", new StringContent(NewOrder(account, 1).ToString(), Encoding.UTF8, MediaTypeNames.Application.Json)))
                .StatusCode == HttpStatusCode.TooManyRequests, Patience, () => "an order as JSON to be refused");
        Assert.That(await asJson.Content.ReadAsStringAsync(), Does.Contain("RetryInfo").And.Contain("0.200s"));
        Assert.That(() => Orders.CreateOrderAsync(new CreateOrderRequest()).ResponseAsync, Throws.TypeOf<RpcException>()
            .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.ResourceExhausted), "before it is looked at whether the request is valid");
        Assert.That((await GetAsync(placed[0])).Status, Is.Not.EqualTo(OrderStatus.Unspecified), "what is there can be read all the same");

        System.Accounts[0].Start();
        await System.Accounts[0].WaitUntilReadyAsync();
        await Task.WhenAll(placed.Select(EndAsync));
        var later = await UntilAdmittedAsync(() => PlaceAsync(account, 1));
        Assert.That((await EndAsync(later)).Status, Is.EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    [Test]
    public async Task Should_send_clients_away_while_messages_wait_for_the_broker_but_not_for_one_that_it_refuses()
    {
        var account = await OpenAsync(1000);
        await ExecuteAsync(System.OrderDatabase, """
            insert into outbox_message (id, message_id, sent_time, enqueue_time, destination_address, message_type, content_type, body, attempts)
            values (gen_random_uuid(), gen_random_uuid(), now() - interval '10 minutes', now() + interval '1 hour', 'exchange:nowhere', '', '', '', 0)
            """);
        RpcException? refusal = null;
        await Wait.UntilAsync(async () =>
        {
            try
            {
                await PlaceAsync(account, 1);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
            {
                refusal = e;
            }

            return refusal != null;
        }, Patience, () => "clients to be sent away");
        Assert.That(refusal!.Status.Detail, Does.Contain("waited for the broker"));

        await ExecuteAsync(System.OrderDatabase, "update outbox_message set attempts = 1 where destination_address = 'exchange:nowhere'");
        await UntilAdmittedAsync(() => PlaceAsync(account, 1));
        await ExecuteAsync(System.OrderDatabase, "delete from outbox_message where destination_address = 'exchange:nowhere'");
        await AuditAsync();
    }

    /// <summary>Calls as a client does that comes again when it is told to.</summary>
    static async Task<T> UntilAdmittedAsync<T>(Func<Task<T>> call)
    {
        var end = DateTime.UtcNow + Patience;
        while (true)
            try
            {
                return await call();
            }
            catch (RpcException e) when (DateTime.UtcNow < end && e.GetRpcStatus()?.GetDetail<RetryInfo>() is { } retry)
            {
                await Task.Delay(retry.RetryDelay.ToTimeSpan());
            }
    }
}
