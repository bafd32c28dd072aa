using Grpc.Core;
using Orders.V1;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture, Category("Long")]
public sealed class When_the_broker_is_away_for_long : SystemFixture
{
    [Test]
    public async Task Should_still_accept_orders_after_an_hour_with_ten_orders_a_second()
    {
        var account = await OpenAccountAsync(1000);
        await ExecuteAsync(System.OrderDatabase, $"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
                resend_time)
            select gen_random_uuid(), 'Reserving', '{account}', '[]', 1, 'EUR', time, time, null
            from generate_series(1, 36000) as i, lateral (select now() - i * interval '0.1 s' as time) as times;
            insert into outbox_message (id, message_id, sent_time, enqueue_time, destination_address, message_type,
                content_type, body, attempts)
            values (gen_random_uuid(), gen_random_uuid(), now() - interval '1 hour', now() + interval '50 s',
                'exchange:nowhere', '', '', '', 0);
            """);
        await Task.Delay(TimeSpan.FromSeconds(6)); // the service has counted them
        for (var end = DateTime.UtcNow.AddSeconds(5); DateTime.UtcNow < end; await Task.Delay(50))
            await WaitForEndAsync(await PlaceOrderAsync(account, 1));

        await ExecuteAsync(System.OrderDatabase, """
            update outbox_message set sent_time = sent_time - interval '20 minutes',
                enqueue_time = now() + interval '50 s'
            where destination_address = 'exchange:nowhere'
            """);
        var rejection = await UntilRejectedAsync(() => PlaceOrderAsync(account, 1));
        Assert.That(rejection.Status.Detail, Does.Contain("the oldest unsent message"));
        await ExecuteAsync(System.OrderDatabase, """
            delete from outbox_message where destination_address = 'exchange:nowhere';
            delete from orders where items = '[]';
            """);
        await AuditAsync();
    }
}
