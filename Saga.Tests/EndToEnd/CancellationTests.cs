using Accounts.V1;
using Grpc.Core;
using Npgsql;
using Orders.V1;
using Saga.Servers;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_an_order_is_cancelled : SystemFixture
{
    protected override TimeSpan ReservationTimeout => TimeSpan.FromSeconds(3);

    [TearDown]
    public async Task AuditEachAsync() => await AuditAsync();

    [Test]
    public async Task Should_compensate_when_account_is_stopped_for_longer_than_the_timeout()
    {
        var account = await OpenAccountAsync(100);
        await System.Accounts[0].StopAsync();
        var id = await PlaceOrderAsync(account, 30);
        var cancelling = await WaitForOrderAsync(id, x => x.Status != OrderStatus.Pending);
        Assert.That((cancelling.Status, cancelling.Reason), Is.EqualTo((OrderStatus.Cancelling, OrderReason.TimedOut)));

        System.Accounts[0].Start();
        await System.Accounts[0].WaitUntilReadyAsync();

        Assert.That((await WaitForEndAsync(id)).Status, Is.EqualTo(OrderStatus.Cancelled));
        await WaitForBalancesAsync(account, 100, 0, 0);
        var reservation = await Accounts.GetReservationAsync(new GetReservationRequest { OrderId = id });
        Assert.That(reservation.Status, Is.EqualTo(ReservationStatus.Released));
    }

    [Test, Category("Long")]
    public async Task Should_end_every_order_that_times_out_while_the_broker_is_down()
    {
        var rabbit = Stoppable(System.Servers.Rabbit);
        var account = await OpenAccountAsync(1000);
        var placed = (await PlaceOrdersAsync(100, account)).ToList();
        await rabbit.StopAsync(Signal.Kill);
        try
        {
            for (var i = 0; i < 20; i++)
                placed.Add(await PlaceOrderAsync(account, 1));
            await Task.Delay(ReservationTimeout);
        }
        finally
        {
            await rabbit.StartAsync();
        }

        var orders = await WaitForEndAsync(placed);
        Assert.That(orders, Has.All.Property("Status").AnyOf(OrderStatus.Confirmed, OrderStatus.Cancelled));
        var confirmed = orders.Count(x => x.Status == OrderStatus.Confirmed);
        await WaitForBalancesAsync(account, available: 1000 - confirmed, held: 0, captured: confirmed);
    }
}

[TestFixture, Category("E2E")]
public sealed class When_orders_end_before_their_timeout : SystemFixture
{
    [TearDown]
    public async Task AuditEachAsync() => await AuditAsync();

    [Test]
    public async Task Should_send_the_timeout_as_a_mandatory_message()
    {
        var account = await OpenAccountAsync(100);
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            await PlaceOrderAsync(account, 30);
            await using var source = NpgsqlDataSource.Create(System.Servers.Postgres.Admin(System.OrderDatabase));
            await using var timeout = source.CreateCommand(
                "select properties from outbox_message where message_type like '%ReservationTimedOut%'");
            Assert.That(await timeout.ExecuteScalarAsync(), Does.Contain("Mandatory"));
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }
    }

    [Test]
    public async Task Should_cancel_a_pending_order()
    {
        var account = await OpenAccountAsync(100);
        string id;
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            id = await PlaceOrderAsync(account, 30);
            var response = await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = id });
            Assert.That((response.Status, response.Reason),
                Is.EqualTo((OrderStatus.Cancelling, OrderReason.CancelledByClient)));

            // A repeated call returns the same status.
            var again = await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = id });
            Assert.That(again.Status, Is.EqualTo(OrderStatus.Cancelling));
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        var order = await WaitForEndAsync(id);
        Assert.That((order.Status, order.Reason), Is.EqualTo((OrderStatus.Cancelled, OrderReason.CancelledByClient)));
        await WaitForBalancesAsync(account, 100, 0, 0);
    }

    [TestCase(10, OrderStatus.Confirmed)]
    [TestCase(1000, OrderStatus.Rejected)]
    public async Task Should_not_cancel_a_terminal_order(long price, OrderStatus status)
    {
        var id = await PlaceOrderAsync(await OpenAccountAsync(100), price);
        Assert.That((await WaitForEndAsync(id)).Status, Is.EqualTo(status));

        Assert.That(() => Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = id }).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.FailedPrecondition));
        Assert.That((await GetOrderAsync(id)).Status, Is.EqualTo(status));
    }

    [Test]
    public async Task Should_return_a_cancelled_order_that_is_cancelled_again()
    {
        var account = await OpenAccountAsync(100);
        System.Accounts[0].Send(Signal.Stop);
        var id = await PlaceOrderAsync(account, 1);
        await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = id });
        System.Accounts[0].Send(Signal.Continue);
        await WaitForEndAsync(id);

        var again = await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = id });
        Assert.That((again.Status, again.Reason), Is.EqualTo((OrderStatus.Cancelled, OrderReason.CancelledByClient)));
    }

    [Test]
    public async Task Should_end_every_order_that_is_cancelled_at_a_random_moment()
    {
        var account = await OpenAccountAsync(1000);
        var random = new Random(4711);
        var ids = await Task.WhenAll(Enumerable.Range(0, 100).Select(async _ =>
        {
            var pause = random.Next(40);
            var id = await PlaceOrderAsync(account, 1);
            await Task.Delay(pause);
            try
            {
                // The order may be locked for too long: ABORTED asks to retry.
                await RetryAsync(() => Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = id }).ResponseAsync);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.FailedPrecondition)
            {
                // The order had ended already.
            }

            return id;
        }));

        var orders = await WaitForEndAsync(ids);
        var confirmed = orders.Count(x => x.Status == OrderStatus.Confirmed);
        Assert.That(orders.Count(x => x.Status == OrderStatus.Cancelled), Is.EqualTo(100 - confirmed));
        await WaitForBalancesAsync(account, 1000 - confirmed, 0, confirmed);
    }
}
