using Accounts.V1;
using Grpc.Core;
using Orders.V1;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_orders_are_placed : SystemFixture
{
    [TearDown]
    public async Task AuditEachAsync() => await AuditAsync();

    [Test]
    public void Should_warm_up_every_service_without_a_failure()
    {
        foreach (var replica in System.Orders.Concat(System.Accounts))
            Assert.That(File.ReadAllText(replica.LogFile),
                Does.Not.Contain("The warm-up failed").And.Not.Contain("could not call itself"), replica.Name);
    }

    [Test]
    public async Task Should_confirm_an_order_and_capture_its_funds()
    {
        var account = await OpenAccountAsync(100);

        var order = await WaitForEndAsync(await PlaceOrderAsync(account, 30));

        Assert.That(order.Status, Is.EqualTo(OrderStatus.Confirmed));
        Assert.That(order.Reason, Is.EqualTo(OrderReason.Unspecified));
        Assert.That(order.Total, Is.EqualTo(Money(30)));
        await WaitForBalancesAsync(account, 70, 0, 30);
        var entries = await Accounts.ListEntriesAsync(new ListEntriesRequest { AccountId = account });
        Assert.That(entries.Entries.Select(x => (x.Kind, x.Amount.Units, x.AvailableAfter.Units)),
            Is.EqualTo(new[]
            {
                (EntryKind.Capture, 30L, 70L), (EntryKind.Hold, 30L, 70L), (EntryKind.Deposit, 100L, 100L),
            }));
        var reservation = await Accounts.GetReservationAsync(new GetReservationRequest { OrderId = order.OrderId });
        Assert.That((reservation.Status, reservation.Amount.Units),
            Is.EqualTo((ReservationStatus.Captured, 30L)));
    }

    [Test]
    public async Task Should_be_readable_immediately()
    {
        var account = await OpenAccountAsync(100);
        var request = NewOrder(account, 1);
        var halfAEuro = new Google.Type.Money { CurrencyCode = "EUR", Nanos = 500_000_000 };
        request.Items.Add(new OrderItem { Sku = "pen", Quantity = 3, UnitPrice = halfAEuro });

        var order = await GetOrderAsync((await Orders.CreateOrderAsync(request)).OrderId);

        Assert.That(order.AccountId, Is.EqualTo(account));
        Assert.That(order.Items, Is.EqualTo(request.Items));
        Assert.That(order.Total,
            Is.EqualTo(new Google.Type.Money { CurrencyCode = "EUR", Units = 2, Nanos = 500_000_000 }));
        await WaitForEndAsync(order.OrderId);
    }

    [Test]
    public async Task Should_reject_for_insufficient_funds()
    {
        var account = await OpenAccountAsync(100);
        var order = await WaitForEndAsync(await PlaceOrderAsync(account, 101));
        Assert.That((order.Status, order.Reason), Is.EqualTo((OrderStatus.Rejected, OrderReason.InsufficientFunds)));
        await WaitForBalancesAsync(account, 100, 0, 0);
    }

    [Test]
    public async Task Should_reject_an_unknown_account()
    {
        var order = await WaitForEndAsync(await PlaceOrderAsync(Guid.NewGuid().ToString(), 1));
        Assert.That((order.Status, order.Reason), Is.EqualTo((OrderStatus.Rejected, OrderReason.AccountNotFound)));
    }

    [Test]
    public async Task Should_reject_another_currency()
    {
        var account = await OpenAccountAsync(100);
        var order = await WaitForEndAsync(await PlaceOrderAsync(account, 1, "USD"));
        Assert.That((order.Status, order.Reason), Is.EqualTo((OrderStatus.Rejected, OrderReason.CurrencyMismatch)));
    }

    [Test]
    public async Task Should_return_the_same_order_for_the_same_request_id()
    {
        var account = await OpenAccountAsync(100);
        var request = NewOrder(account, 30, requestId: Guid.NewGuid().ToString());

        var responses = await Task.WhenAll(
            Enumerable.Range(0, 50).Select(_ => Orders.CreateOrderAsync(request).ResponseAsync));
        var later = await Orders.CreateOrderAsync(request);

        Assert.That(responses.Append(later).Select(x => x.OrderId).Distinct().Count(), Is.EqualTo(1));
        await WaitForEndAsync(later.OrderId);
        await WaitForBalancesAsync(account, 70, 0, 30);
    }

    [Test]
    public async Task Should_commit_the_other_orders_of_a_group_with_repeated_requests()
    {
        var account = await OpenAccountAsync(1000);
        var request = Guid.NewGuid().ToString();
        var first = (await Orders.CreateOrderAsync(NewOrder(account, 1, requestId: request))).OrderId;

        // The repeats are sent first, so that their order ids are the smallest.
        var repeats = Enumerable.Range(0, 8).Select(_ => CreateAsync(request)).ToList();
        var others = Enumerable.Range(0, 64).Select(_ => CreateAsync(Guid.NewGuid().ToString())).ToList();

        Assert.That((await Task.WhenAll(repeats)).Select(x => x.OrderId), Has.All.EqualTo(first));
        var orders = await WaitForEndAsync((await Task.WhenAll(others)).Select(x => x.OrderId));
        Assert.That(orders.Select(x => x.OrderId).Distinct().Count(), Is.EqualTo(64));
        Assert.That(orders, Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();

        Task<CreateOrderResponse> CreateAsync(string requestId) =>
            Orders.CreateOrderAsync(NewOrder(account, 1, requestId: requestId)).ResponseAsync;
    }

    [Test]
    public async Task Should_reject_other_content_with_the_same_request_id()
    {
        var account = await OpenAccountAsync(100);
        var request = NewOrder(account, 30, requestId: Guid.NewGuid().ToString());
        var order = await Orders.CreateOrderAsync(request);
        request.Items[0].Quantity = 2;

        Assert.That(() => Orders.CreateOrderAsync(request).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.AlreadyExists));
        await WaitForEndAsync(order.OrderId);
    }

    [Test]
    public async Task Should_open_and_deposit_once_for_the_same_request_id()
    {
        var open = new OpenAccountRequest { CurrencyCode = "EUR", RequestId = Guid.NewGuid().ToString() };
        var accounts = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(_ => Accounts.OpenAccountAsync(open).ResponseAsync));
        Assert.That(accounts.Select(x => x.AccountId).Distinct().Count(), Is.EqualTo(1));

        var deposit = new DepositRequest
        {
            AccountId = accounts[0].AccountId,
            Amount = Money(5),
            RequestId = Guid.NewGuid().ToString(),
        };
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Accounts.DepositAsync(deposit).ResponseAsync));
        await WaitForBalancesAsync(accounts[0].AccountId, 5, 0, 0);

        deposit.Amount = Money(6);
        Assert.That(() => Accounts.DepositAsync(deposit).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.AlreadyExists));
    }

    [Test]
    public async Task Should_confirm_exactly_as_many_orders_as_the_funds_allow()
    {
        var accounts = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => OpenAccountAsync(17)));

        var ids = await Task.WhenAll(Enumerable.Range(0, 500).Select(i => PlaceOrderAsync(accounts[i % 20], 1)));
        var orders = await WaitForEndAsync(ids);

        Assert.That(orders.Count(x => x.Status == OrderStatus.Confirmed), Is.EqualTo(20 * 17));
        Assert.That(orders.Where(x => x.Status != OrderStatus.Confirmed),
            Has.All.Property("Reason").EqualTo(OrderReason.InsufficientFunds));
        foreach (var account in accounts)
            await WaitForBalancesAsync(account, 0, 0, 17);
    }

    [Test]
    public async Task Should_list_the_newest_orders_first_page_by_page()
    {
        var account = await OpenAccountAsync(100);
        var ids = new List<string>();
        for (var i = 0; i < 7; i++)
            ids.Insert(0, await PlaceOrderAsync(account, 1));
        await WaitForEndAsync(ids);

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
        var rejected = new ListOrdersRequest { AccountId = account, Status = OrderStatus.Rejected };
        Assert.That((await Orders.ListOrdersAsync(rejected)).Orders, Is.Empty);
    }

    [Test]
    public async Task Should_list_entries_page_by_page()
    {
        var account = await OpenAccountAsync(0);
        for (var i = 1; i <= 5; i++)
            await Accounts.DepositAsync(new DepositRequest { AccountId = account, Amount = Money(i) });

        var request = new ListEntriesRequest { AccountId = account, PageSize = 3 };
        var first = await Accounts.ListEntriesAsync(request);
        request.PageToken = first.NextPageToken;
        var second = await Accounts.ListEntriesAsync(request);

        Assert.That(first.Entries.Concat(second.Entries).Select(x => x.Amount.Units),
            Is.EqualTo(new[] { 5, 4, 3, 2, 1 }));
        Assert.That(second.NextPageToken, Is.Empty);
    }
}
