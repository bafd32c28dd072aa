using Google.Rpc;
using Google.Type;
using Grpc.Core;
using Orders.V1;
using ReservationStatus = Accounts.V1.ReservationStatus;

namespace Saga.Tests.EndToEnd;

/// <summary>Every field of every method with an invalid value, and the field violation in the error.</summary>
[TestFixture, Category("E2E")]
public sealed class When_a_request_is_invalid : SystemFixture
{
    const string Id = "01890a5d-ac96-774b-bcce-b302099a8057";
    const string NoId = "not-a-uuid";

    static OrderItem Item(string sku = "book", int quantity = 1, Money? price = null, bool noPrice = false) =>
        new() { Sku = sku, Quantity = quantity, UnitPrice = noPrice ? null : price ?? Money(1) };

    static CreateOrderRequest Order(string account = Id, string request = "", params OrderItem[] items) =>
        new() { AccountId = account, RequestId = request, Items = { items.Length == 0 ? [Item()] : items } };

    static IEnumerable<TestCaseData> InvalidOrders()
    {
        static TestCaseData Case(string name, CreateOrderRequest request, params string[] fields) =>
            new TestCaseData(request, fields).SetName($"CreateOrder: {name}");
        yield return Case("no account", Order(""), "account_id");
        yield return Case("account is not a UUID", Order(NoId), "account_id");
        yield return Case("account is the empty UUID", Order(Guid.Empty.ToString()), "account_id");
        foreach (var form in (string[])[$"{{{Id}}}", $"({Id})", Id.Replace("-", ""), $" {Id}", $"0x{Id[2..]}",
            $"urn:uuid:{Id}"])
            yield return Case($"account is {form}", Order(form), "account_id");
        yield return Case("request is not a UUID", Order(request: NoId), "request_id");
        yield return Case("no items", new CreateOrderRequest { AccountId = Id }, "items");
        yield return Case("101 items", Order(items: [.. Enumerable.Repeat(Item(), 101)]), "items");
        yield return Case("100 invalid items", Order(items: [.. Enumerable.Repeat(Item(sku: " "), 100)]),
            [.. Enumerable.Range(0, 10).Select(i => $"items[{i}].sku"), "request"]);
        yield return Case("no sku", Order(items: Item(sku: " ")), "items[0].sku");
        yield return Case("a long sku", Order(items: Item(sku: new string('x', 65))), "items[0].sku");
        yield return Case("a long sku of surrogate pairs",
            Order(items: Item(sku: string.Concat(Enumerable.Repeat("\U0001F34E", 65)))), "items[0].sku");
        yield return Case("a NUL in the sku", Order(items: Item(sku: "a\0b")), "items[0].sku");
        yield return Case("quantity 0", Order(items: Item(quantity: 0)), "items[0].quantity");
        yield return Case("a negative quantity", Order(items: Item(quantity: -1)), "items[0].quantity");
        yield return Case("a huge quantity", Order(items: Item(quantity: int.MaxValue)), "items[0].quantity");
        yield return Case("no price", Order(items: Item(noPrice: true)), "items[0].unit_price");
        yield return Case("a negative price", Order(items: Item(price: Money(-1))), "items[0].unit_price");
        yield return Case("a price with five decimals",
            Order(items: Item(price: new() { CurrencyCode = "EUR", Nanos = 10_000 })), "items[0].unit_price.nanos");
        yield return Case("a price with too many nanos",
            Order(items: Item(price: new() { CurrencyCode = "EUR", Nanos = 1_000_000_000 })),
            "items[0].unit_price.nanos");
        yield return Case("a price that is too large",
            Order(items: Item(price: Money(long.MaxValue))), "items[0].unit_price.units");
        yield return Case("a currency that does not exist",
            Order(items: Item(price: Money(1, "ZZZ"))), "items[0].unit_price.currency_code");
        yield return Case("a part of a yen",
            Order(items: Item(price: new() { CurrencyCode = "JPY", Nanos = 1_000_000 })), "items[0].unit_price.nanos");
        yield return Case("lower-case currency",
            Order(items: Item(price: Money(1, "eur"))), "items[0].unit_price.currency_code");
        yield return Case("two currencies",
            Order(items: [Item(), Item(price: Money(1, "USD"))]), "items[1].unit_price.currency_code");
        yield return Case("a total that is too large",
            Order(items: Item(quantity: 2, price: Money(999_999_999_999_999))), "items");
        yield return Case("all fields",
            new CreateOrderRequest
            {
                AccountId = NoId,
                RequestId = NoId,
                Items = { Item(sku: "", quantity: 0, noPrice: true) },
            },
            "account_id", "request_id", "items[0].sku", "items[0].quantity", "items[0].unit_price");
    }

    [TestCaseSource(nameof(InvalidOrders))]
    public Task Should_name_every_invalid_field_of_an_order(CreateOrderRequest request, string[] fields) =>
        AssertInvalidAsync(() => Orders.CreateOrderAsync(request).ResponseAsync, fields);

    static IEnumerable<TestCaseData> OtherInvalidRequests()
    {
        static TestCaseData Case(string name, Func<When_a_request_is_invalid, Task> call, params string[] fields) =>
            new TestCaseData(call, fields).SetName(name);
        yield return Case("GetOrder: no id", x => x.Orders.GetOrderAsync(new()).ResponseAsync, "order_id");
        yield return Case("GetOrder: not a UUID",
            x => x.Orders.GetOrderAsync(new() { OrderId = NoId }).ResponseAsync, "order_id");
        yield return Case("CancelOrder: not a UUID",
            x => x.Orders.CancelOrderAsync(new() { OrderId = NoId }).ResponseAsync, "order_id");
        yield return Case("WatchOrder: not a UUID",
            x => x.Orders.WatchOrder(new() { OrderId = NoId }).ResponseStream.MoveNext(default), "order_id");
        yield return Case("ListOrders: not a UUID",
            x => x.Orders.ListOrdersAsync(new() { AccountId = NoId }).ResponseAsync, "account_id");
        yield return Case("ListOrders: status",
            x => x.Orders.ListOrdersAsync(new() { Status = (OrderStatus)99 }).ResponseAsync, "status");
        yield return Case("ListOrders: page size",
            x => x.Orders.ListOrdersAsync(new() { PageSize = -1 }).ResponseAsync, "page_size");
        yield return Case("ListOrders: page token",
            x => x.Orders.ListOrdersAsync(new() { PageToken = "nonsense" }).ResponseAsync, "page_token");
        yield return Case("OpenAccount: currency",
            x => x.Accounts.OpenAccountAsync(new() { CurrencyCode = "euro" }).ResponseAsync, "currency_code");
        yield return Case("OpenAccount: a currency that does not exist",
            x => x.Accounts.OpenAccountAsync(new() { CurrencyCode = "ZZZ" }).ResponseAsync, "currency_code");
        yield return Case("Deposit: a part of a yen",
            x => x.Accounts.DepositAsync(new()
            {
                AccountId = Id,
                Amount = new() { CurrencyCode = "JPY", Nanos = 1_000_000 },
            }).ResponseAsync, "amount.nanos");
        yield return Case("ListAccounts: all",
            x => x.Accounts.ListAccountsAsync(new() { PageSize = -1, PageToken = "nonsense" }).ResponseAsync,
            "page_size", "page_token");
        yield return Case("ListReservations: all",
            x => x.Accounts.ListReservationsAsync(new()
            {
                AccountId = NoId,
                Status = (ReservationStatus)99,
                PageSize = -1,
                PageToken = "nonsense",
            }).ResponseAsync, "account_id", "status", "page_size", "page_token");
        yield return Case("ListOrders: times",
            x => x.Orders.ListOrdersAsync(new()
            {
                StartTime = new() { Seconds = long.MaxValue },
                EndTime = new() { Nanos = -1 },
            }).ResponseAsync, "start_time", "end_time");
        yield return Case("ListOrders: an end before the start",
            x => x.Orders.ListOrdersAsync(new()
            {
                StartTime = new() { Seconds = 2 },
                EndTime = new() { Seconds = 1 },
            }).ResponseAsync, "end_time");
        yield return Case("OpenAccount: ids",
            x => x.Accounts.OpenAccountAsync(new() { CurrencyCode = "EUR", AccountId = NoId, RequestId = NoId })
                .ResponseAsync,
            "account_id", "request_id");
        yield return Case("GetAccount: not a UUID",
            x => x.Accounts.GetAccountAsync(new() { AccountId = NoId }).ResponseAsync, "account_id");
        yield return Case("Deposit: no amount",
            x => x.Accounts.DepositAsync(new() { AccountId = Id }).ResponseAsync, "amount");
        yield return Case("Deposit: zero",
            x => x.Accounts.DepositAsync(new() { AccountId = Id, Amount = Money(0) }).ResponseAsync, "amount");
        yield return Case("Deposit: negative",
            x => x.Accounts.DepositAsync(new() { AccountId = Id, Amount = Money(-1) }).ResponseAsync, "amount");
        yield return Case("Deposit: currency",
            x => x.Accounts.DepositAsync(new() { AccountId = Id, Amount = Money(1, "") }).ResponseAsync,
            "amount.currency_code");
        yield return Case("Deposit: ids",
            x => x.Accounts.DepositAsync(new() { AccountId = NoId, RequestId = NoId, Amount = Money(1) }).ResponseAsync,
            "account_id", "request_id");
        yield return Case("ListEntries: all",
            x => x.Accounts.ListEntriesAsync(new() { AccountId = NoId, PageSize = -1, PageToken = "nonsense" })
                .ResponseAsync,
            "account_id", "page_size", "page_token");
        yield return Case("GetReservation: not a UUID",
            x => x.Accounts.GetReservationAsync(new() { OrderId = NoId }).ResponseAsync, "order_id");
    }

    [TestCaseSource(nameof(OtherInvalidRequests))]
    public Task Should_name_every_invalid_field(Func<When_a_request_is_invalid, Task> call, string[] fields) =>
        AssertInvalidAsync(() => call(this), fields);

    static IEnumerable<TestCaseData> Missing()
    {
        static TestCaseData Case(string name, Func<When_a_request_is_invalid, Task> call) =>
            new TestCaseData(call).SetName($"{name}: unknown id");
        yield return Case("GetOrder", x => x.Orders.GetOrderAsync(new() { OrderId = Id }).ResponseAsync);
        yield return Case("CancelOrder", x => x.Orders.CancelOrderAsync(new() { OrderId = Id }).ResponseAsync);
        yield return Case("WatchOrder",
            x => x.Orders.WatchOrder(new() { OrderId = Id }).ResponseStream.MoveNext(default));
        yield return Case("GetAccount", x => x.Accounts.GetAccountAsync(new() { AccountId = Id }).ResponseAsync);
        yield return Case("Deposit",
            x => x.Accounts.DepositAsync(new() { AccountId = Id, Amount = Money(1) }).ResponseAsync);
        yield return Case("ListEntries", x => x.Accounts.ListEntriesAsync(new() { AccountId = Id }).ResponseAsync);
        yield return Case("GetReservation", x => x.Accounts.GetReservationAsync(new() { OrderId = Id }).ResponseAsync);
    }

    [TestCaseSource(nameof(Missing))]
    public async Task Should_return_not_found(Func<When_a_request_is_invalid, Task> call)
    {
        var error = (await Assert.ThrowsAsync<RpcException>(() => call(this)))!;
        Assert.That(error.StatusCode, Is.EqualTo(StatusCode.NotFound));
        Assert.That(error.GetRpcStatus()!.GetDetail<ResourceInfo>()!.ResourceName, Is.EqualTo(Id));
    }

    [Test]
    public async Task Should_count_the_code_points_of_a_sku()
    {
        var sku = string.Concat(Enumerable.Repeat("\U0001F34E", 64));
        var order = NewOrder(await OpenAccountAsync(10), 1);
        order.Items[0].Sku = sku;
        var id = (await Orders.CreateOrderAsync(order)).OrderId;
        Assert.That((await GetOrderAsync(id)).Items[0].Sku, Is.EqualTo(sku));
    }

    [Test]
    public async Task Should_reject_a_deposit_in_another_currency()
    {
        var account = await OpenAccountAsync(0);
        Assert.That(() => Accounts.DepositAsync(new() { AccountId = account, Amount = Money(1, "USD") }).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.FailedPrecondition));
    }

    [Test]
    public async Task Should_reject_a_deposit_beyond_the_largest_balance()
    {
        var account = await OpenAccountAsync(999_999_999_999_999);
        Assert.That(() => Accounts.DepositAsync(new() { AccountId = account, Amount = Money(1) }).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.FailedPrecondition));
    }

    [Test]
    public async Task Should_reject_an_existing_account_id()
    {
        var account = await OpenAccountAsync(0);
        Assert.That(() => Accounts.OpenAccountAsync(new() { AccountId = account, CurrencyCode = "EUR" }).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.AlreadyExists));
    }

    static async Task AssertInvalidAsync(Func<Task> call, string[] fields)
    {
        var error = (await Assert.ThrowsAsync<RpcException>(() => call()))!;
        Assert.That(error.StatusCode, Is.EqualTo(StatusCode.InvalidArgument));
        var violations = error.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations;
        Assert.That(violations.Select(x => x.Field), Is.EquivalentTo(fields));
    }
}
