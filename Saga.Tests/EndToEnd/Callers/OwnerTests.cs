using System.Net;
using Accounts.V1;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Orders.V1;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Callers;

/// <summary>Two callers, each with an account and an order.</summary>
[TestFixture, Category("E2E")]
public sealed class When_accounts_have_owners : SystemFixture
{
    Client _alice = null!, _bob = null!;

    [OneTimeSetUp]
    public async Task OpenAccountsAsync() =>
        (_alice, _bob) = (await Client.CreateAsync(System, "alice"), await Client.CreateAsync(System, "bob"));

    [OneTimeTearDown]
    public async Task CloseAsync()
    {
        await AuditAsync();
        _alice.Dispose();
        _bob.Dispose();
    }

    [Test]
    public async Task Should_not_show_an_order_to_others()
    {
        Assert.That(await StatusOfAsync(_bob.Orders.GetOrderAsync(new GetOrderRequest { OrderId = _alice.OrderId })),
            Is.EqualTo(StatusCode.NotFound));
        Assert.That(await StatusOfAsync(_bob.Orders.CancelOrderAsync(
            new CancelOrderRequest { OrderId = _alice.OrderId })), Is.EqualTo(StatusCode.NotFound));
        Assert.That(async () =>
        {
            using var watch = _bob.Orders.WatchOrder(new WatchOrderRequest { OrderId = _alice.OrderId });
            await watch.ResponseStream.MoveNext(default);
        }, Throws.TypeOf<RpcException>().With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.NotFound));
    }

    [Test]
    public async Task Should_not_show_an_account_to_others()
    {
        var id = _alice.AccountId;
        Assert.That(await StatusOfAsync(_bob.Accounts.GetAccountAsync(new GetAccountRequest { AccountId = id })),
            Is.EqualTo(StatusCode.NotFound));
        Assert.That(await StatusOfAsync(_bob.Accounts.ListEntriesAsync(new ListEntriesRequest { AccountId = id })),
            Is.EqualTo(StatusCode.NotFound));
        Assert.That(await StatusOfAsync(_bob.Accounts.DepositAsync(
            new DepositRequest { AccountId = id, Amount = Euros.Of(1) })), Is.EqualTo(StatusCode.NotFound));
        Assert.That(await StatusOfAsync(_bob.Accounts.GetReservationAsync(
            new GetReservationRequest { OrderId = _alice.OrderId })), Is.EqualTo(StatusCode.NotFound));
    }

    [Test]
    public async Task Should_list_only_what_the_caller_owns([Values] bool byAccount)
    {
        foreach (var caller in new[] { _alice, _bob })
        {
            var account = byAccount ? caller.AccountId : "";
            var orders = await caller.Orders.ListOrdersAsync(new ListOrdersRequest { AccountId = account });
            Assert.That(orders.Orders.Select(x => x.OrderId), Does.Contain(caller.OrderId));
            Assert.That(orders.Orders.Select(x => x.OrderId),
                Is.SubsetOf(await PlacedAsync(caller)), "nobody else's");
            var reservations = await caller.Accounts.ListReservationsAsync(
                new ListReservationsRequest { AccountId = account });
            Assert.That(reservations.Reservations.Select(x => x.AccountId).Distinct(),
                Is.EqualTo(new[] { caller.AccountId }));
            Assert.That(reservations.Reservations.Select(x => x.OrderId), Does.Contain(caller.OrderId));
        }

        var accounts = await _bob.Accounts.ListAccountsAsync(new ListAccountsRequest());
        Assert.That(accounts.Accounts.Select(x => x.AccountId), Does.Contain(_bob.AccountId)
            .And.Not.Contain(_alice.AccountId));
        Assert.That((await _bob.Orders.ListOrdersAsync(new ListOrdersRequest { AccountId = _alice.AccountId })).Orders,
            Is.Empty);
        Assert.That((await _bob.Accounts.ListReservationsAsync(
            new ListReservationsRequest { AccountId = _alice.AccountId })).Reservations, Is.Empty);
    }

    [Test]
    public async Task Should_list_page_by_page()
    {
        var placed = new List<string> { _alice.OrderId };
        for (var i = 0; i < 4; i++)
            placed.Insert(0, await _alice.PlaceAsync(_alice.AccountId));
        var (read, request) = (new List<string>(), new ListReservationsRequest { PageSize = 2 });
        do
        {
            var page = await _alice.Accounts.ListReservationsAsync(request);
            read.AddRange(page.Reservations.Select(x => x.OrderId));
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken != "");
        Assert.That(read, Is.SupersetOf(placed).And.Ordered.Descending);

        var first = await _alice.Orders.ListOrdersAsync(new ListOrdersRequest { PageSize = 1 });
        Assert.That(await StatusOfAsync(_bob.Orders.ListOrdersAsync(
            new ListOrdersRequest { PageSize = 1, PageToken = first.NextPageToken })),
            Is.EqualTo(StatusCode.InvalidArgument), "a page token is of its caller");
    }

    [Test]
    public async Task Should_ask_a_caller_with_many_accounts_to_name_one()
    {
        using var channel = System.Accounts[0].ConnectAs(TokenIssuer.Instance.Sign("dave"));
        var dave = new AccountService.AccountServiceClient(channel);
        var opened = await dave.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" });
        await ExecuteAsync(System.AccountDatabase, """
            insert into accounts (account_id, currency, available, held, captured, create_time, update_time, owner)
            select gen_random_uuid(), 'EUR', 0, 0, 0, now(), now(), 'dave' from generate_series(1, 49)
            """);
        Assert.That((await dave.ListReservationsAsync(new ListReservationsRequest())).Reservations, Is.Empty);

        await dave.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" });
        var error = await Assert.ThrowsAsync<RpcException>(
            () => dave.ListReservationsAsync(new ListReservationsRequest()).ResponseAsync);
        Assert.That((error!.StatusCode, error.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations.Single().Field),
            Is.EqualTo((StatusCode.InvalidArgument, "account_id")));
        var named = new ListReservationsRequest { AccountId = opened.AccountId };
        Assert.That((await dave.ListReservationsAsync(named)).Reservations, Is.Empty);
    }

    [Test]
    public async Task Should_not_pay_from_anothers_account()
    {
        await AuditAsync(); // an order of another test may still be captured
        var before = await _alice.Accounts.GetAccountAsync(new GetAccountRequest { AccountId = _alice.AccountId });
        var order = await WaitForEndAsync(await _bob.PlaceAsync(_alice.AccountId, waitForEnd: false));
        Assert.That((order.Status, order.Reason),
            Is.EqualTo((OrderStatus.Rejected, OrderReason.AccountNotFound)), "as if it did not exist");
        var after = await _alice.Accounts.GetAccountAsync(new GetAccountRequest { AccountId = _alice.AccountId });
        Assert.That(after, Is.EqualTo(before));
        var reservations = await _alice.Accounts.ListReservationsAsync(
            new ListReservationsRequest { AccountId = _alice.AccountId });
        Assert.That(reservations.Reservations.Select(x => x.OrderId), Does.Not.Contain(order.OrderId),
            "its owner does not learn of the attempt's order");
        Assert.That((await Accounts.ListReservationsAsync(
            new ListReservationsRequest { AccountId = _alice.AccountId })).Reservations.Select(x => x.OrderId),
            Does.Contain(order.OrderId).And.Contain(_alice.OrderId), "an administrator does");
        Assert.That((await Orders.ListOrdersAsync(
            new ListOrdersRequest { AccountId = _alice.AccountId })).Orders.Select(x => x.OrderId),
            Does.Contain(order.OrderId).And.Contain(_alice.OrderId).And.Ordered.Descending);
    }

    [Test]
    public async Task Should_keep_the_request_ids_of_callers_apart()
    {
        var requestId = $"{Guid.NewGuid()}";
        var first = await _alice.PlaceAsync(_alice.AccountId, requestId);
        var second = await _bob.PlaceAsync(_bob.AccountId, requestId);
        Assert.That(second, Is.Not.EqualTo(first));
        Assert.That(await _alice.PlaceAsync(_alice.AccountId, requestId), Is.EqualTo(first), "a repetition");

        var open = new OpenAccountRequest { CurrencyCode = "EUR", RequestId = requestId };
        var opened = await _alice.Accounts.OpenAccountAsync(open);
        Assert.That((await _bob.Accounts.OpenAccountAsync(open)).AccountId, Is.Not.EqualTo(opened.AccountId));
        Assert.That((await _alice.Accounts.OpenAccountAsync(open)).AccountId, Is.EqualTo(opened.AccountId));

        foreach (var caller in new[] { _alice, _bob, _alice })
            await caller.Accounts.DepositAsync(new DepositRequest
            {
                AccountId = caller.AccountId,
                Amount = Euros.Of(7),
                RequestId = requestId,
            });
    }

    [Test]
    public async Task Should_show_everything_to_an_administrator()
    {
        foreach (var caller in new[] { _alice, _bob })
        {
            Assert.That((await Orders.GetOrderAsync(new GetOrderRequest { OrderId = caller.OrderId })).OrderId,
                Is.EqualTo(caller.OrderId));
            Assert.That((await Accounts.GetAccountAsync(new GetAccountRequest { AccountId = caller.AccountId }))
                .AccountId, Is.EqualTo(caller.AccountId));
        }

        using var http = System.Orders[0].NewHttpClient(TokenIssuer.Instance.Sign("bob"));
        Assert.That((await http.GetAsync($"/v1/orders/{_alice.OrderId}")).StatusCode,
            Is.EqualTo(HttpStatusCode.NotFound));
    }

    static async Task<StatusCode> StatusOfAsync<T>(AsyncUnaryCall<T> call) =>
        (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync))!.StatusCode;

    async Task<string[]> PlacedAsync(Client caller) => [.. (await Orders.ListOrdersAsync(
        new ListOrdersRequest { PageSize = 1000 })).Orders.Select(x => x.OrderId).Intersect(caller.Placed)];

    /// <summary>A caller with 100 EUR and a confirmed order.</summary>
    sealed class Client : IDisposable
    {
        readonly GrpcChannel _orders, _accounts;

        Client(OrderSystem system, string name)
        {
            var token = TokenIssuer.Instance.Sign(name);
            (_orders, _accounts) = (system.Orders[0].ConnectAs(token), system.Accounts[0].ConnectAs(token));
            (Orders, Accounts) = (new(_orders), new(_accounts));
        }

        public OrderService.OrderServiceClient Orders { get; }
        public AccountService.AccountServiceClient Accounts { get; }
        public string AccountId { get; private set; } = "";
        public string OrderId { get; private set; } = "";
        public List<string> Placed { get; } = [];

        public static async Task<Client> CreateAsync(OrderSystem system, string name)
        {
            var client = new Client(system, name);
            client.AccountId = (await client.Accounts.OpenAccountAsync(
                new OpenAccountRequest { CurrencyCode = "EUR" })).AccountId;
            await client.Accounts.DepositAsync(
                new DepositRequest { AccountId = client.AccountId, Amount = Euros.Of(100) });
            client.OrderId = await client.PlaceAsync(client.AccountId);
            return client;
        }

        public async Task<string> PlaceAsync(string accountId, string requestId = "", bool waitForEnd = true)
        {
            var id = (await Orders.CreateOrderAsync(NewOrder(accountId, 1, requestId: requestId))).OrderId;
            Placed.Add(id);
            using var watch = Orders.WatchOrder(new WatchOrderRequest { OrderId = id });
            while (waitForEnd && await watch.ResponseStream.MoveNext(default))
                Assert.That(watch.ResponseStream.Current.Status, Is.AnyOf(OrderStatus.Pending, OrderStatus.Confirmed));
            return id;
        }

        public void Dispose()
        {
            _orders.Dispose();
            _accounts.Dispose();
        }
    }
}
