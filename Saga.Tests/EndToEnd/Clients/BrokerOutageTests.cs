using Grpc.Core;
using Orders.V1;
using Saga.Servers;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_the_broker_is_away_for_long : SystemFixture
{
    const int MaxOpen = 150;

    protected override TimeSpan ReservationTimeout => TimeSpan.FromMinutes(10);

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Admission__MaxOpenOrders"] = $"{MaxOpen}",
    };

    [Test]
    public async Task Should_accept_more_orders_than_can_be_open_and_complete_them_later()
    {
        var broker = Stoppable(System.Servers.Rabbit);
        var account = await OpenAccountAsync(1000);
        var ids = new List<string>();
        await broker.StopAsync(Signal.Kill);
        try
        {
            for (; ids.Count < 2 * MaxOpen; await Task.Delay(70)) // about ten orders a second
                ids.Add(await PlaceOrderAsync(account, 1));
        }
        finally
        {
            await broker.StartAsync();
        }

        await AssertConfirmedAsync(ids);
        await AuditAsync();
    }

    [Test]
    public async Task Should_still_accept_orders_after_an_hour_with_ten_orders_a_second()
    {
        var account = await OpenAccountAsync(1000);
        await ExecuteAsync(System.OrderDatabase, $"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time)
            select gen_random_uuid(), 'Reserving', '{account}', '[]', 1, 'EUR', time, time
            from generate_series(1, 36000) as i, lateral (select now() - i * interval '0.1 s' as time) as times;
            insert into outbox_message (id, message_id, sent_time, enqueue_time, destination_address, message_type,
                content_type, body, attempts)
            select gen_random_uuid(), gen_random_uuid(), now() - i * interval '0.1 s', now() + interval '1 hour',
                'exchange:nowhere', '', '', '', 0
            from generate_series(1, 36000) as i;
            """);
        await Task.Delay(TimeSpan.FromSeconds(6)); // the service has counted them
        for (var end = DateTime.UtcNow.AddSeconds(5); DateTime.UtcNow < end; await Task.Delay(50))
            await WaitForEndAsync(await PlaceOrderAsync(account, 1));

        await ExecuteAsync(System.OrderDatabase, """
            update outbox_message set sent_time = sent_time - interval '20 minutes'
            where destination_address = 'exchange:nowhere'
            """);
        RpcException? rejection = null;
        await Wait.UntilAsync(async () =>
        {
            try
            {
                await PlaceOrderAsync(account, 1);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
            {
                rejection = e;
            }

            return rejection != null;
        }, MaxWait, () => "calls to be rejected");
        Assert.That(rejection!.Status.Detail, Does.Contain("the oldest unsent message"));
        await ExecuteAsync(System.OrderDatabase, """
            delete from outbox_message where destination_address = 'exchange:nowhere';
            delete from orders where items = '[]';
            """);
        await AuditAsync();
    }
}
