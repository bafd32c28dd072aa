using Accounts.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Orders.V1;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture, Category("E2E")]
public sealed class When_clients_list : SystemFixture
{
    protected override OrderSystemOptions Options => new() { OrderReplicas = 2 };

    [Test]
    public async Task Should_list_the_orders_of_a_time()
    {
        var account = await OpenAccountAsync(100);
        var orders = new List<Order>();
        for (var i = 0; i < 6; i++)
            orders.Insert(0, await WaitForEndAsync(await PlaceOrderAsync(account, 1)));

        async Task<string[]> ListAsync(Timestamp? start, Timestamp? end) =>
            [.. (await Orders.ListOrdersAsync(new ListOrdersRequest
            {
                AccountId = account,
                StartTime = start,
                EndTime = end,
            })).Orders.Select(x => x.OrderId)];
        string[] ids = [.. orders.Select(x => x.OrderId)];
        Assert.That(await ListAsync(null, null), Is.EqualTo(ids));
        Assert.That(await ListAsync(orders[3].CreateTime, null), Is.EqualTo(ids[..4]), "the start is included");
        Assert.That(await ListAsync(null, orders[3].CreateTime), Is.EqualTo(ids[4..]), "the end is not");
        Assert.That(await ListAsync(orders[4].CreateTime, orders[1].CreateTime), Is.EqualTo(ids[2..5]));

        using var http = System.Orders[0].NewHttpClient();
        var time = orders[0].CreateTime.ToDateTime().ToString("O");
        var json = await http.GetStringAsync($"/v1/orders?account_id={account}&start_time={time}");
        Assert.That(json, Does.Contain(ids[0]).And.Not.Contain(ids[1]));
    }

    [Test, Category("Long")]
    public async Task Should_continue_a_list_on_another_replica_and_after_a_restart()
    {
        var account = await OpenAccountAsync(100);
        for (var i = 0; i < 3; i++)
            await WaitForEndAsync(await PlaceOrderAsync(account, 1));
        var request = new ListOrdersRequest { AccountId = account, PageSize = 1 };
        request.PageToken = (await Orders.ListOrdersAsync(request)).NextPageToken;
        var other = new OrderService.OrderServiceClient(System.Orders[1].Channel);
        var second = await other.ListOrdersAsync(request);
        Assert.That(second.Orders, Has.Count.EqualTo(1));

        await System.Orders[1].KillAsync();
        System.Orders[1].Start();
        await System.Orders[1].WaitUntilReadyAsync();
        request.PageToken = second.NextPageToken;
        Assert.That((await other.ListOrdersAsync(request)).Orders, Has.Count.EqualTo(1));

        request.AccountId = await OpenAccountAsync(0);
        Assert.That(() => Orders.ListOrdersAsync(request).ResponseAsync, Throws.TypeOf<RpcException>()
            .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.InvalidArgument), "another filter");
    }

    [Test]
    public async Task Should_list_every_account_once()
    {
        var opened = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => OpenAccountAsync(0)));
        var listed = new List<string>();
        var request = new ListAccountsRequest { PageSize = 2 };
        do
        {
            var page = await Accounts.ListAccountsAsync(request);
            listed.AddRange(page.Accounts.Select(x => x.AccountId));
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken != "");

        Assert.That(listed, Is.SupersetOf(opened).And.Unique);
        using var http = System.Accounts[0].NewHttpClient();
        Assert.That(await http.GetStringAsync("/v1/accounts?page_size=1"), Does.Contain("nextPageToken"));
    }

    [Test]
    public async Task Should_list_the_reservations_of_an_account_by_status()
    {
        var (account, other) = (await OpenAccountAsync(10), await OpenAccountAsync(10));
        await WaitForEndAsync(await PlaceOrderAsync(other, 1));
        var ids = new List<string>();
        foreach (var price in (long[])[4, 100, 5])
            ids.Insert(0, (await WaitForEndAsync(await PlaceOrderAsync(account, price))).OrderId);
        await AuditAsync();

        async Task<string[]> ListAsync(string accountId, ReservationStatus status)
        {
            var found = new List<string>();
            var request = new ListReservationsRequest { AccountId = accountId, Status = status, PageSize = 2 };
            do
            {
                var page = await Accounts.ListReservationsAsync(request);
                found.AddRange(page.Reservations.Select(x => x.OrderId));
                request.PageToken = page.NextPageToken;
            }
            while (request.PageToken != "");
            return [.. found];
        }

        Assert.That(await ListAsync(account, ReservationStatus.Unspecified), Is.EqualTo(ids));
        Assert.That(await ListAsync(account, ReservationStatus.Captured), Is.EqualTo(new[] { ids[0], ids[2] }));
        Assert.That(await ListAsync(account, ReservationStatus.Rejected), Is.EqualTo(new[] { ids[1] }));
        Assert.That(await ListAsync(account, ReservationStatus.Held), Is.Empty);
        Assert.That(await ListAsync("", ReservationStatus.Captured),
            Is.SupersetOf(new[] { ids[0], ids[2] }).And.Unique);
        using var http = System.Accounts[0].NewHttpClient();
        Assert.That(await http.GetStringAsync($"/v1/reservations?account_id={account}&status=REJECTED"),
            Does.Contain(ids[1]).And.Not.Contain(ids[0]));
    }

    [Test]
    public async Task Should_show_what_a_newer_build_has_written_as_unspecified()
    {
        var account = await OpenAccountAsync(100);
        var id = (await WaitForEndAsync(await PlaceOrderAsync(account, 101))).OrderId;
        await AuditAsync();
        await ExecuteAsync(System.OrderDatabase,
            $"update orders set current_state = 'Shipped', reason = 'OutOfStock' where order_id = '{id}'");
        await ExecuteAsync(System.AccountDatabase,
            $"update reservations set status = 'Lent', reason = 'Bankrupt' where order_id = '{id}'");
        try
        {
            var order = (await Orders.ListOrdersAsync(new ListOrdersRequest { AccountId = account })).Orders.Single();
            Assert.That((order.OrderId, order.Status, order.Reason),
                Is.EqualTo((id, OrderStatus.Unspecified, OrderReason.Unspecified)));
            Assert.That(await GetOrderAsync(id), Is.EqualTo(order));
            var listed = await Accounts.ListReservationsAsync(new ListReservationsRequest { AccountId = account });
            var reservation = listed.Reservations.Single();
            Assert.That((reservation.OrderId, reservation.Status, reservation.Reason),
                Is.EqualTo((id, ReservationStatus.Unspecified, RejectionReason.Unspecified)));
        }
        finally
        {
            await ExecuteAsync(System.OrderDatabase,
                $"update orders set current_state = 'Rejected', reason = 'InsufficientFunds' where order_id = '{id}'");
            await ExecuteAsync(System.AccountDatabase,
                $"update reservations set status = 'Rejected', reason = 'InsufficientFunds' where order_id = '{id}'");
        }
    }
}
