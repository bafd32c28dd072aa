using System.Diagnostics;
using Accounts.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Orders.V1;
using Saga.Services;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_clients_list : SystemFixture
{
    const int ManyRows = 200_000;

    /// <summary>SQL for a UUID of version 7 with the column time.</summary>
    const string OrderId = """
        encode(substring(int8send((extract(epoch from time) * 1000)::bigint) from 3)
            || decode('7000', 'hex') || substring(uuid_send(gen_random_uuid()) from 9), 'hex')::uuid
        """;

    static readonly TimeSpan MaxTime = TimeSpan.FromMilliseconds(50);

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

        using var http = new HttpClient { BaseAddress = System.Orders[0].HttpAddress };
        var time = orders[0].CreateTime.ToDateTime().ToString("O");
        var json = await http.GetStringAsync($"/v1/orders?account_id={account}&start_time={time}");
        Assert.That(json, Does.Contain(ids[0]).And.Not.Contain(ids[1]));
    }

    [Test]
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
        using var http = new HttpClient { BaseAddress = System.Accounts[0].HttpAddress };
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
        using var http = new HttpClient { BaseAddress = System.Accounts[0].HttpAddress };
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

    [Test]
    public async Task Should_find_the_orders_of_every_filter_by_an_index()
    {
        // Most orders are one account's, and almost none is cancelled.
        var (account, other, cancelled) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        await ExecuteAsync(System.OrderDatabase, $"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time)
            select {OrderId},
                case when i = 7 then 'Cancelled' else 'Rejected' end,
                case when i % 1000 = 0 then '{other}'::uuid else '{account}'::uuid end,
                '[]', 1, 'EUR', time, time
            from generate_series(1, {ManyRows}) as i, lateral (select now() - i * interval '1 s' as time) as times
            """);
        await ExecuteAsync(System.OrderDatabase, "vacuum analyze orders");
        try
        {
            var early = Timestamp.FromDateTime(DateTime.UtcNow.AddYears(-1));
            var middle = Timestamp.FromDateTime(DateTime.UtcNow.AddSeconds(-ManyRows / 2));
            var requests = new (int Count, ListOrdersRequest Request)[]
            {
                (50, new()),
                (0, new() { Status = OrderStatus.Pending }),
                (0, new() { Status = OrderStatus.Cancelling }),
                (1, new() { Status = OrderStatus.Cancelled }),
                (50, new() { Status = OrderStatus.Rejected }),
                (50, new() { AccountId = $"{account}" }),
                (50, new() { AccountId = $"{other}" }),
                (0, new() { AccountId = $"{cancelled}" }),
                (0, new() { AccountId = $"{account}", Status = OrderStatus.Pending }),
                (0, new() { AccountId = $"{account}", Status = OrderStatus.Confirmed }),
                (1, new() { AccountId = $"{account}", Status = OrderStatus.Cancelled }),
                (0, new() { AccountId = $"{other}", Status = OrderStatus.Cancelled }),
                (50, new() { AccountId = $"{account}", StartTime = middle }),
                (50, new() { EndTime = middle }),
                (0, new() { EndTime = early }),
                (0, new() { AccountId = $"{account}", EndTime = early }),
                (0, new() { Status = OrderStatus.Rejected, EndTime = early }),
                (0, new() { Status = OrderStatus.Cancelled, EndTime = middle }),
            };
            foreach (var (count, request) in requests)
                await AssertFastAsync(count, $"{request}",
                    async () => (await Orders.ListOrdersAsync(request)).Orders.Count);
        }
        finally
        {
            await ExecuteAsync(System.OrderDatabase,
                $"delete from orders where account_id in ('{account}', '{other}')");
        }
    }
    [Test]
    public async Task Should_find_the_reservations_of_every_filter_by_an_index()
    {
        // Most reservations are one account's, and almost none is released.
        var (account, other, none) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        await ExecuteAsync(System.AccountDatabase, $"""
            insert into reservations (order_id, account_id, amount, currency, status, create_time, update_time)
            select {OrderId}, case when i % 1000 = 0 then '{other}'::uuid else '{account}'::uuid end, 1, 'EUR',
                case when i = 7 then 'Released' else 'Rejected' end, time, time
            from generate_series(1, {ManyRows}) as i, lateral (select now() - i * interval '1 s' as time) as times
            """);
        await ExecuteAsync(System.AccountDatabase, "vacuum analyze reservations");
        try
        {
            var requests = new (int Count, ListReservationsRequest Request)[]
            {
                (50, new()),
                (0, new() { Status = ReservationStatus.Held }),
                (1, new() { Status = ReservationStatus.Released }),
                (50, new() { Status = ReservationStatus.Rejected }),
                (50, new() { AccountId = $"{account}" }),
                (50, new() { AccountId = $"{other}" }),
                (0, new() { AccountId = $"{none}" }),
                (0, new() { AccountId = $"{account}", Status = ReservationStatus.Held }),
                (1, new() { AccountId = $"{account}", Status = ReservationStatus.Released }),
                (0, new() { AccountId = $"{other}", Status = ReservationStatus.Released }),
                (50, new() { AccountId = $"{other}", Status = ReservationStatus.Rejected }),
            };
            foreach (var (count, request) in requests)
                await AssertFastAsync(count, $"{request}",
                    async () => (await Accounts.ListReservationsAsync(request)).Reservations.Count);
        }
        finally
        {
            await ExecuteAsync(System.AccountDatabase,
                $"delete from reservations where account_id in ('{account}', '{other}')");
        }
    }

    /// <summary>Asserts the number of results, and the time of the fastest of five calls.</summary>
    static async Task AssertFastAsync(int count, string request, Func<Task<int>> list)
    {
        var (fastest, listed) = (TimeSpan.MaxValue, 0);
        for (var i = 0; i < 5; i++)
        {
            var started = Stopwatch.StartNew();
            listed = await list();
            fastest = started.Elapsed < fastest ? started.Elapsed : fastest;
        }

        Assert.That(listed, Is.EqualTo(count), request);
        Assert.That(fastest, Is.LessThan(MaxTime), request);
    }
}
