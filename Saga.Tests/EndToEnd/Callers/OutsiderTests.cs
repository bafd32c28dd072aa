using System.Net;
using Accounts.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Operations.V1;
using Orders.V1;
using Saga.Services;
using Saga.Tests.EndToEnd.Operators;

namespace Saga.Tests.EndToEnd.Callers;

/// <summary>
/// Somebody who reaches every port tries twenty moves against the account and the order of another. What logins of the
/// broker and of the databases try is in <c>When_a_login_exceeds_its_rights_in_the_broker</c> and
/// <c>When_a_role_exceeds_its_rights</c>.
/// </summary>
[TestFixture, Category("E2E")]
public sealed class When_an_outsider_reaches_every_port : OperatorFixture
{
    const long Deposit = 100, Price = 30;

    static readonly string Stolen = TokenIssuer.Instance.Sign("somebody of another tenant");

    readonly string _request = $"{Guid.NewGuid()}";
    string _account = "", _order = "";

    /// <summary>The moves, and how the holder of a token of another tenant is refused.</summary>
    static readonly (string Name, StatusCode Status, Func<When_an_outsider_reaches_every_port, Ports, Task> Attempt)[]
        Moves =
        [
            ("read the order", StatusCode.NotFound, (x, to) => to.Orders.GetOrderAsync(
                new GetOrderRequest { OrderId = x._order }).ResponseAsync),
            ("watch the order", StatusCode.NotFound, async (x, to) =>
            {
                using var watch = to.Orders.WatchOrder(new WatchOrderRequest { OrderId = x._order });
                await watch.ResponseStream.MoveNext(default);
            }),
            ("cancel the order", StatusCode.NotFound, (x, to) => to.Orders.CancelOrderAsync(
                new CancelOrderRequest { OrderId = x._order }).ResponseAsync),
            ("list the orders of the account", StatusCode.NotFound, async (x, to) => RefusedIf(
                (await to.Orders.ListOrdersAsync(new ListOrdersRequest { AccountId = x._account })).Orders.Count == 0)),
            ("list all orders", StatusCode.NotFound, async (x, to) => RefusedIf(
                (await to.Orders.ListOrdersAsync(new ListOrdersRequest())).Orders.All(o => o.AccountId != x._account
                    || o.Status == OrderStatus.Rejected))),
            ("pay with the account", StatusCode.NotFound, async (x, to) => RefusedIf((await x.WaitForEndAsync(
                (await to.Orders.CreateOrderAsync(NewOrder(x._account, Price))).OrderId)).Status
                    == OrderStatus.Rejected)),
            ("repeat the request of the order", StatusCode.NotFound, async (x, to) => RefusedIf(
                (await to.Orders.CreateOrderAsync(NewOrder(x._account, Price, requestId: x._request))).OrderId
                    != x._order)),
            ("read the account", StatusCode.NotFound, (x, to) => to.Accounts.GetAccountAsync(
                new GetAccountRequest { AccountId = x._account }).ResponseAsync),
            ("deposit to the account", StatusCode.NotFound, (x, to) => to.Accounts.DepositAsync(
                new DepositRequest { AccountId = x._account, Amount = Money(1) }).ResponseAsync),
            ("list the entries of the account", StatusCode.NotFound, (x, to) => to.Accounts.ListEntriesAsync(
                new ListEntriesRequest { AccountId = x._account }).ResponseAsync),
            ("list all accounts", StatusCode.NotFound, async (x, to) => RefusedIf(
                (await to.Accounts.ListAccountsAsync(new ListAccountsRequest())).Accounts.Count == 0)),
            ("read the reservation", StatusCode.NotFound, (x, to) => to.Accounts.GetReservationAsync(
                new GetReservationRequest { OrderId = x._order }).ResponseAsync),
            ("list the reservations", StatusCode.NotFound, async (x, to) => RefusedIf(
                (await to.Accounts.ListReservationsAsync(
                    new ListReservationsRequest { AccountId = x._account })).Reservations.Count == 0)),
            ("read the story of the order", StatusCode.PermissionDenied, (x, to) => to.OrderOperations
                .GetOrderStoryAsync(new GetOrderStoryRequest { OrderId = x._order }).ResponseAsync),
            ("release the hold of the order", StatusCode.PermissionDenied, (x, to) => to.OrderOperations
                .ReleaseHoldAsync(new ReleaseHoldRequest { OrderId = x._order }).ResponseAsync),
            ("replay the ledger", StatusCode.PermissionDenied, (x, to) => to.AccountOperations.CheckAccountsAsync(
                new CheckAccountsRequest()).ResponseAsync),
            ("pause a queue", StatusCode.PermissionDenied, (x, to) => to.Operations.PauseQueueAsync(
                new PauseQueueRequest { Name = "reserve-funds", Operator = Operator, Reason = Reason }).ResponseAsync),
            ("send commands again", StatusCode.PermissionDenied, async (x, to) =>
            {
                using var call = to.Operations.Redrive(
                    new RedriveRequest { OrderIds = { x._order }, Operator = Operator, Reason = Reason });
                await call.ResponseStream.MoveNext(default);
            }),
            ("export the ledger", StatusCode.PermissionDenied, async (x, to) =>
            {
                using var call = to.Operations.ExportEntries(new ExportRequest());
                await call.ResponseStream.MoveNext(default);
            }),
            ("open the page for operators", StatusCode.PermissionDenied, async (x, to) => RefusedIf(
                await to.PageAsync() == HttpStatusCode.Redirect, StatusCode.PermissionDenied)),
        ];

    static IEnumerable<TestCaseData> All() => from outsider in new[] { "nobody", "somebody of another tenant" }
                                              from move in Moves
                                              select new TestCaseData(outsider, move.Name);

    [OneTimeSetUp]
    public async Task PlaceAsync()
    {
        _account = await OpenAccountAsync(Deposit);
        _order = (await Orders.CreateOrderAsync(NewOrder(_account, Price, requestId: _request))).OrderId;
        await AssertConfirmedAsync(_order);
        await WaitForBalancesAsync(_account, Deposit - Price, held: 0, captured: Price);
    }

    [OneTimeTearDown]
    public async Task ExpectNothingAsync()
    {
        await AuditAsync();
        await WaitForBalancesAsync(_account, Deposit - Price, held: 0, captured: Price);
        Assert.That((await GetOrderAsync(_order)).Status, Is.EqualTo(OrderStatus.Confirmed));
        Assert.That((await Operations.ListAuditAsync(new ListAuditRequest())).Records, Is.Empty);
    }

    [TestCaseSource(nameof(All))]
    public async Task Should_refuse(string outsider, string move)
    {
        var (_, status, attempt) = Moves.Single(x => x.Name == move);
        using var ports = new Ports(System, outsider == "nobody" ? null : Stolen);
        var expected = outsider != "nobody" || move == "open the page for operators" ? status
            : StatusCode.Unauthenticated;
        Assert.That(() => attempt(this, ports), ThrowsStatus(expected));
    }

    /// <summary>A call that shows nothing has refused what was tried, too.</summary>
    static void RefusedIf(bool isNothing, StatusCode status = StatusCode.NotFound)
    {
        if (isNothing)
            throw new RpcException(new Status(status, "nothing is shown or done"));
    }

    /// <summary>Every port of the system, for the holder of a token, or of none.</summary>
    sealed class Ports(OrderSystem system, string? token) : IDisposable
    {
        readonly List<GrpcChannel> _channels = [];

        public OrderService.OrderServiceClient Orders => new(Open(system.Orders[0].GrpcAddress));

        public AccountService.AccountServiceClient Accounts => new(Open(system.Accounts[0].GrpcAddress));

        public OrderOperations.OrderOperationsClient OrderOperations =>
            new(Open(system.Orders[0].OperationsAddress));

        public AccountOperations.AccountOperationsClient AccountOperations =>
            new(Open(system.Accounts[0].OperationsAddress));

        public OperationsService.OperationsServiceClient Operations => new(Open(system.Operations!.GrpcAddress));

        public async Task<HttpStatusCode> PageAsync()
        {
            using var handler = new HttpClientHandler { AllowAutoRedirect = false };
            using var http = new HttpClient(handler);
            if (token != null)
                http.DefaultRequestHeaders.Authorization = new("Bearer", token);
            using var response = await http.GetAsync(system.Operations!.HttpAddress);
            return response.StatusCode;
        }

        GrpcChannel Open(Uri address)
        {
            var channel = token == null ? GrpcChannel.ForAddress(address)
                : BearerCredentials.Connect(address, () => Task.FromResult(token));
            _channels.Add(channel);
            return channel;
        }

        public void Dispose() => _channels.ForEach(x => x.Dispose());
    }
}
