using Accounts.V1;
using Grpc.Core;
using Npgsql;
using Orders.V1;
using Saga.Servers;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_orders_are_placed : SystemFixture
{
    [TearDown]
    public async Task AuditEachAsync() => await AuditAsync();

    [Test]
    public void Should_be_rehearsed_when_it_starts()
    {
        foreach (var replica in System.Orders.Concat(System.Accounts))
            Assert.That(File.ReadAllText(replica.LogFile), Does.Not.Contain("could not be rehearsed").And.Not.Contain("could not call itself"), replica.Name);
    }

    [Test]
    public async Task Should_confirm_an_order_and_take_its_money()
    {
        var account = await OpenAsync(100);

        var order = await EndAsync(await PlaceAsync(account, 30));

        Assert.That(order.Status, Is.EqualTo(OrderStatus.Confirmed));
        Assert.That(order.Reason, Is.EqualTo(OrderReason.Unspecified));
        Assert.That(order.Total, Is.EqualTo(Money(30)));
        await BalancesAsync(account, 70, 0, 30);
        var entries = await Accounts.ListEntriesAsync(new ListEntriesRequest { AccountId = account });
        Assert.That(entries.Entries.Select(x => (x.Kind, x.Amount.Units, x.AvailableAfter.Units)),
            Is.EqualTo(new[] { (EntryKind.Capture, 30L, 70L), (EntryKind.Hold, 30L, 70L), (EntryKind.Deposit, 100L, 100L) }));
        var reservation = await Accounts.GetReservationAsync(new GetReservationRequest { OrderId = order.OrderId });
        Assert.That((reservation.Status, reservation.Amount.Units), Is.EqualTo((ReservationStatus.Captured, 30L)));
    }

    [Test]
    public async Task Should_be_readable_at_once()
    {
        var account = await OpenAsync(100);
        var request = NewOrder(account, 1);
        request.Items.Add(new OrderItem { Sku = "pen", Quantity = 3, UnitPrice = new() { CurrencyCode = "EUR", Nanos = 500_000_000 } });

        var order = await GetAsync((await Orders.CreateOrderAsync(request)).OrderId);

        Assert.That(order.AccountId, Is.EqualTo(account));
        Assert.That(order.Items, Is.EqualTo(request.Items));
        Assert.That(order.Total, Is.EqualTo(new Google.Type.Money { CurrencyCode = "EUR", Units = 2, Nanos = 500_000_000 }));
        await EndAsync(order.OrderId);
    }

    [Test]
    public async Task Should_reject_for_lack_of_funds()
    {
        var account = await OpenAsync(100);
        var order = await EndAsync(await PlaceAsync(account, 101));
        Assert.That((order.Status, order.Reason), Is.EqualTo((OrderStatus.Rejected, OrderReason.InsufficientFunds)));
        await BalancesAsync(account, 100, 0, 0);
    }

    [Test]
    public async Task Should_reject_without_an_account()
    {
        var order = await EndAsync(await PlaceAsync(Guid.NewGuid().ToString(), 1));
        Assert.That((order.Status, order.Reason), Is.EqualTo((OrderStatus.Rejected, OrderReason.AccountNotFound)));
    }

    [Test]
    public async Task Should_reject_another_currency()
    {
        var account = await OpenAsync(100);
        var order = await EndAsync(await PlaceAsync(account, 1, "USD"));
        Assert.That((order.Status, order.Reason), Is.EqualTo((OrderStatus.Rejected, OrderReason.CurrencyMismatch)));
    }

    [Test]
    public async Task Should_stream_every_change_to_a_watcher() => Assert.That(await WatchAsync(goOnAfter: 2),
        Is.EqualTo(new[] { OrderStatus.Pending, OrderStatus.Cancelling, OrderStatus.Cancelled }));

    [Test]
    public async Task Should_listen_again_when_somebody_watches_after_a_while_without()
    {
        OrderStatus[] expected = [OrderStatus.Pending, OrderStatus.Confirmed];
        Assert.That(await WatchAsync(goOnAfter: 1), Is.EqualTo(expected));
        await using var database = NpgsqlDataSource.Create(System.Servers.Postgres.Admin(System.OrderDatabase));
        await using var now = database.CreateCommand("select now()");
        await using var unlistened = database.CreateCommand(
            "select exists (select from pg_stat_activity where datname = current_database() and query = 'unlisten order_changed' and query_start > $1)");
        unlistened.Parameters.Add(new() { Value = await now.ExecuteScalarAsync() });
        await Wait.UntilAsync(async () => (bool)(await unlistened.ExecuteScalarAsync())!, Patience, () => "the service not to listen any more");
        Assert.That(await WatchAsync(goOnAfter: 1), Is.EqualTo(expected));
    }

    /// <summary>What a watcher sees of an order that Account does not answer until so many statuses were seen.</summary>
    async Task<List<OrderStatus>> WatchAsync(int goOnAfter)
    {
        var account = await OpenAsync(100);
        foreach (var replica in System.Accounts)
            replica.Send(Signal.Stop);
        var seen = new List<OrderStatus>();
        try
        {
            using var watch = Orders.WatchOrder(new WatchOrderRequest { OrderId = await PlaceAsync(account, 10) }, deadline: DateTime.UtcNow + Patience);
            while (await watch.ResponseStream.MoveNext(default))
            {
                seen.Add(watch.ResponseStream.Current.Status);
                if (seen.Count == goOnAfter)
                    GoOn();
            }
        }
        finally
        {
            GoOn();
        }

        return seen;

        void GoOn()
        {
            foreach (var replica in System.Accounts)
                replica.Send(Signal.Continue);
        }
    }

    [Test]
    public async Task Should_give_the_same_order_for_the_same_request()
    {
        var account = await OpenAsync(100);
        var request = NewOrder(account, 30, requestId: Guid.NewGuid().ToString());

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Orders.CreateOrderAsync(request).ResponseAsync));
        var later = await Orders.CreateOrderAsync(request);

        Assert.That(answers.Append(later).Select(x => x.OrderId).Distinct().Count(), Is.EqualTo(1));
        await EndAsync(later.OrderId);
        await BalancesAsync(account, 70, 0, 30);
    }

    [Test]
    public async Task Should_spare_the_orders_that_commit_together_with_a_repeat()
    {
        var account = await OpenAsync(1000);
        var request = Guid.NewGuid().ToString();
        var first = (await Orders.CreateOrderAsync(NewOrder(account, 1, requestId: request))).OrderId;

        // The repeats are called first, and their orders' ids are the smallest.
        var repeats = Enumerable.Range(0, 8).Select(_ => Orders.CreateOrderAsync(NewOrder(account, 1, requestId: request)).ResponseAsync).ToList();
        var others = Enumerable.Range(0, 64).Select(_ => Orders.CreateOrderAsync(NewOrder(account, 1, requestId: Guid.NewGuid().ToString())).ResponseAsync).ToList();

        Assert.That((await Task.WhenAll(repeats)).Select(x => x.OrderId), Has.All.EqualTo(first));
        var orders = await Task.WhenAll((await Task.WhenAll(others)).Select(x => EndAsync(x.OrderId)));
        Assert.That(orders.Select(x => x.OrderId).Distinct().Count(), Is.EqualTo(64));
        Assert.That(orders, Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    [Test]
    public async Task Should_refuse_other_content_for_the_same_request()
    {
        var account = await OpenAsync(100);
        var request = NewOrder(account, 30, requestId: Guid.NewGuid().ToString());
        var order = await Orders.CreateOrderAsync(request);
        request.Items[0].Quantity = 2;

        Assert.That(() => Orders.CreateOrderAsync(request).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.AlreadyExists));
        await EndAsync(order.OrderId);
    }

    [Test]
    public async Task Should_deposit_and_open_once_for_the_same_request()
    {
        var open = new OpenAccountRequest { CurrencyCode = "EUR", RequestId = Guid.NewGuid().ToString() };
        var accounts = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Accounts.OpenAccountAsync(open).ResponseAsync));
        Assert.That(accounts.Select(x => x.AccountId).Distinct().Count(), Is.EqualTo(1));

        var deposit = new DepositRequest { AccountId = accounts[0].AccountId, Amount = Money(5), RequestId = Guid.NewGuid().ToString() };
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Accounts.DepositAsync(deposit).ResponseAsync));
        await BalancesAsync(accounts[0].AccountId, 5, 0, 0);

        deposit.Amount = Money(6);
        Assert.That(() => Accounts.DepositAsync(deposit).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.AlreadyExists));
    }

    [Test]
    public async Task Should_confirm_exactly_as_many_as_the_money_allows()
    {
        var accounts = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => OpenAsync(17)));

        var ids = await Task.WhenAll(Enumerable.Range(0, 500).Select(i => PlaceAsync(accounts[i % 20], 1)));
        var orders = await Task.WhenAll(ids.Select(EndAsync));

        Assert.That(orders.Count(x => x.Status == OrderStatus.Confirmed), Is.EqualTo(20 * 17));
        Assert.That(orders.Where(x => x.Status != OrderStatus.Confirmed), Has.All.Property("Reason").EqualTo(OrderReason.InsufficientFunds));
        foreach (var account in accounts)
            await BalancesAsync(account, 0, 0, 17);
    }

    [Test]
    public async Task Should_list_newest_first_page_by_page()
    {
        var account = await OpenAsync(100);
        var ids = new List<string>();
        for (var i = 0; i < 7; i++)
            ids.Insert(0, await PlaceAsync(account, 1));
        await Task.WhenAll(ids.Select(EndAsync));

        var listed = new List<string>();
        var request = new ListOrdersRequest { AccountId = account, PageSize = 3, Status = OrderStatus.Confirmed };
        do
        {
            var page = await Orders.ListOrdersAsync(request);
            Assert.That(page.Orders, Has.Count.LessThanOrEqualTo(3));
            listed.AddRange(page.Orders.Select(x => x.OrderId));
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken != "");

        Assert.That(listed, Is.EqualTo(ids));
        Assert.That((await Orders.ListOrdersAsync(new ListOrdersRequest { AccountId = account, Status = OrderStatus.Rejected })).Orders, Is.Empty);
    }

    [Test]
    public async Task Should_list_entries_page_by_page()
    {
        var account = await OpenAsync(0);
        for (var i = 1; i <= 5; i++)
            await Accounts.DepositAsync(new DepositRequest { AccountId = account, Amount = Money(i) });

        var first = await Accounts.ListEntriesAsync(new ListEntriesRequest { AccountId = account, PageSize = 3 });
        var second = await Accounts.ListEntriesAsync(new ListEntriesRequest { AccountId = account, PageSize = 3, PageToken = first.NextPageToken });

        Assert.That(first.Entries.Concat(second.Entries).Select(x => x.Amount.Units), Is.EqualTo(new[] { 5, 4, 3, 2, 1 }));
        Assert.That(second.NextPageToken, Is.Empty);
    }
}
