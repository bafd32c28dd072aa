using Grpc.Core;
using MassTransit;
using Orders.V1;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.EndToEnd.Observability;

namespace Saga.Tests.EndToEnd.Failures;

/// <summary>
/// While a newer build is being installed, older replicas receive messages for rows whose state they do not know. Only
/// the message itself can complete these orders: nobody asks again.
/// </summary>
[TestFixture, Category("E2E")]
public sealed class When_a_newer_build_has_changed_a_row : SystemFixture
{
    [Test]
    public async Task Should_postpone_the_messages_of_an_order_in_an_unknown_state()
    {
        var account = await OpenAccountAsync(10);
        System.Accounts[0].Send(Signal.Stop);
        string order;
        try
        {
            order = await PlaceOrderAsync(account, 10);
            await SetStateAsync(order, "Shipping");
            Assert.That(() => Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = order }).ResponseAsync,
                Throws.TypeOf<RpcException>().With.Property(nameof(RpcException.StatusCode))
                    .EqualTo(StatusCode.Unavailable));
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        await AssertPostponedAsync(System.Orders[0], "order-state", $"FundsReserved of order {order}");
        await SetStateAsync(order, "Reserving");
        await AssertConfirmedAsync(order);
        await AuditAsync();
    }

    [Test]
    public async Task Should_postpone_the_commands_for_a_reservation_with_an_unknown_status()
    {
        var account = await OpenAccountAsync(10);
        var order = NewId.NextSequentialGuid();
        await HoldAllFundsAsync(account, order, status: "Lent");
        await ExecuteAsync(System.OrderDatabase, $$"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
                resend_time)
            values ('{{order}}', 'Confirmed', '{{account}}', '[{"Sku": "book", "Quantity": 1, "UnitPrice": 10}]', 10,
                'EUR', now(), now(), now());
            """);

        await AssertPostponedAsync(System.Accounts[0], "capture-funds", $"OrderConfirmed of order {order}");
        await SetStateAsync($"{order}", "Confirmed");
        await ExecuteAsync(System.AccountDatabase,
            $"update reservations set status = 'Held' where order_id = '{order}'");
        await WaitForBalancesAsync(account, available: 0, held: 0, captured: 10);
        await AuditAsync();
    }

    static async Task AssertPostponedAsync(ServiceReplica replica, string queue, string message)
    {
        var log = "";
        await Wait.UntilAsync(async () => (log = await File.ReadAllTextAsync(replica.LogFile))
            .Contains($"{message} is postponed", StringComparison.Ordinal), MaxWait, () => $"{message}:\n{log}");
        var before = await ConsumedAsync();
        await Wait.UntilAsync(async () => await ConsumedAsync() > before, MaxWait, () => $"{message} to be repeated");
        log = await File.ReadAllTextAsync(replica.LogFile);
        Assert.That(log.Split($"{message} is postponed"), Has.Length.EqualTo(2), "once a minute");
        Assert.That(log, Does.Not.Contain(" crit:"));

        async Task<double> ConsumedAsync() => (await Scrape.ReadAsync(replica)).Sum(
            "messaging_client_consumed_messages_total", ("messaging_destination_name", queue));
    }

    Task SetStateAsync(string order, string state) => ExecuteAsync(System.OrderDatabase,
        $"update orders set current_state = '{state}', resend_time = null where order_id = '{order}'");
}
