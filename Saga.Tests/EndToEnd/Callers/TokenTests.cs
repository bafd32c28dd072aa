using System.Net;
using Accounts.V1;
using Google.Rpc;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Reflection.V1Alpha;
using Orders.V1;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Callers;

/// <summary>What a caller needs to be let in.</summary>
[TestFixture, Category("E2E")]
public sealed class When_a_call_has_a_token : SystemFixture
{
    static readonly string Id = Guid.NewGuid().ToString();

    /// <summary>Every method, with the scope that it requires.</summary>
    static readonly TestCaseData[] Methods =
    [
        Order("orders.write", (x, o) => x.CreateOrderAsync(new CreateOrderRequest(), o), "CreateOrder"),
        Order("orders.write", (x, o) => x.CancelOrderAsync(new CancelOrderRequest { OrderId = Id }, o), "CancelOrder"),
        Order("orders.read", (x, o) => x.GetOrderAsync(new GetOrderRequest { OrderId = Id }, o), "GetOrder"),
        Order("orders.read", (x, o) => x.ListOrdersAsync(new ListOrdersRequest(), o), "ListOrders"),
        Account("accounts.open", (x, o) => x.OpenAccountAsync(new OpenAccountRequest(), o), "OpenAccount"),
        Account("accounts.deposit", (x, o) => x.DepositAsync(new DepositRequest { AccountId = Id }, o), "Deposit"),
        Account("accounts.read", (x, o) => x.GetAccountAsync(new GetAccountRequest { AccountId = Id }, o),
            "GetAccount"),
        Account("accounts.read", (x, o) => x.ListAccountsAsync(new ListAccountsRequest(), o), "ListAccounts"),
        Account("accounts.read", (x, o) => x.ListEntriesAsync(new ListEntriesRequest { AccountId = Id }, o),
            "ListEntries"),
        Account("accounts.read", (x, o) => x.GetReservationAsync(new GetReservationRequest { OrderId = Id }, o),
            "GetReservation"),
        Account("accounts.read", (x, o) => x.ListReservationsAsync(new ListReservationsRequest(), o),
            "ListReservations"),
        new TestCaseData("orders.read", (Func<OrderSystem, CallOptions, Task>)(async (x, o) =>
        {
            using var watch = new OrderService.OrderServiceClient(x.Orders[0].AnonymousChannel)
                .WatchOrder(new WatchOrderRequest { OrderId = Id }, o);
            await watch.ResponseStream.MoveNext(default);
        })).SetArgDisplayNames("WatchOrder"),
    ];

    static TestCaseData Order<T>(
        string scope, Func<OrderService.OrderServiceClient, CallOptions, AsyncUnaryCall<T>> call, string name) =>
        new TestCaseData(scope, (Func<OrderSystem, CallOptions, Task>)((x, o) =>
            call(new(x.Orders[0].AnonymousChannel), o).ResponseAsync)).SetArgDisplayNames(name);

    static TestCaseData Account<T>(
        string scope, Func<AccountService.AccountServiceClient, CallOptions, AsyncUnaryCall<T>> call, string name) =>
        new TestCaseData(scope, (Func<OrderSystem, CallOptions, Task>)((x, o) =>
            call(new(x.Accounts[0].AnonymousChannel), o).ResponseAsync)).SetArgDisplayNames(name);

    [TestCaseSource(nameof(Methods))]
    public async Task Should_let_in_only_a_token_with_the_scope(
        string scope, Func<OrderSystem, CallOptions, Task> call)
    {
        Assert.That(await StatusAsync(null), Is.EqualTo((StatusCode.Unauthenticated, "TOKEN_MISSING")));
        var others = TokenIssuer.OperatorScopes.Split(' ').Except([scope]);
        Assert.That(await StatusAsync(TokenIssuer.Instance.Sign("alice", string.Join(' ', others))),
            Is.EqualTo((StatusCode.PermissionDenied, "SCOPE_MISSING")));
        var (status, _) = await StatusAsync(TokenIssuer.Instance.Sign("alice", scope));
        Assert.That(status, Is.AnyOf(StatusCode.OK, StatusCode.NotFound, StatusCode.InvalidArgument));

        async Task<(StatusCode, string?)> StatusAsync(string? token)
        {
            var options = new CallOptions(token == null ? [] : new Metadata { { "authorization", $"Bearer {token}" } });
            try
            {
                await call(System, options);
                return (StatusCode.OK, null);
            }
            catch (RpcException e)
            {
                return (e.StatusCode, e.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason);
            }
        }
    }

    static IEnumerable<TestCaseData> InvalidTokens()
    {
        var issuer = TokenIssuer.Instance;
        yield return Case("expired", issuer.Sign("alice", lifetime: TimeSpan.FromMinutes(-2)), "TOKEN_EXPIRED");
        yield return Case("other audience", issuer.Sign("alice", audience: "other"), "TOKEN_INVALID");
        yield return Case("other issuer", issuer.Sign("alice", issuer: "https://other.example"), "TOKEN_INVALID");
        using var other = new TokenIssuer();
        yield return Case("other key", other.Sign("alice"), "TOKEN_INVALID");
        yield return Case("no owner", issuer.Sign(""), "TOKEN_INVALID");
        yield return Case("long owner", issuer.Sign(new string('x', 256)), "TOKEN_INVALID");
        yield return Case("no token", "x", "TOKEN_INVALID");
        var parts = issuer.Sign("alice").Split('.');
        yield return Case("changed", $"{parts[0]}.{issuer.Sign("bob").Split('.')[1]}.{parts[2]}", "TOKEN_INVALID");
        yield return Case("no signature", $"{parts[0]}.{parts[1]}.", "TOKEN_INVALID");

        static TestCaseData Case(string name, string token, string reason) =>
            new TestCaseData(token, reason).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(InvalidTokens))]
    public async Task Should_reject_an_invalid_one(string token, string reason)
    {
        using var channel = System.Orders[0].ConnectAs(token);
        var error = await Assert.ThrowsAsync<RpcException>(() => new OrderService.OrderServiceClient(channel)
            .ListOrdersAsync(new ListOrdersRequest()).ResponseAsync);
        Assert.That(error!.StatusCode, Is.EqualTo(StatusCode.Unauthenticated));
        Assert.That(error.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason, Is.EqualTo(reason));

        using var http = System.Orders[0].NewHttpClient(token);
        using var response = await http.GetAsync("/v1/orders");
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(response.Headers.WwwAuthenticate.Single().Scheme, Is.EqualTo("Bearer"));
        Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain(reason));
    }

    [Test]
    public async Task Should_appear_in_no_log()
    {
        var subject = $"subject-{Guid.NewGuid():N}";
        using var other = new TokenIssuer();
        string[] tokens =
        [
            TokenIssuer.Instance.Sign(subject), TokenIssuer.Instance.Sign(subject, "accounts.read"),
            TokenIssuer.Instance.Sign(subject, lifetime: TimeSpan.FromMinutes(-2)), other.Sign(subject),
        ];
        foreach (var token in tokens)
        {
            using var channel = System.Orders[0].ConnectAs(token);
            try
            {
                await new OrderService.OrderServiceClient(channel).CreateOrderAsync(new CreateOrderRequest());
            }
            catch (RpcException)
            {
                // Each call is rejected: for its content, its scope, its signature, its age.
            }

            using var http = System.Orders[0].NewHttpClient(token);
            using var response = await http.PostAsync("/v1/orders", new StringContent($"{{ {subject}"));
            Assert.That(response.IsSuccessStatusCode, Is.False);
        }

        var log = await File.ReadAllTextAsync(System.Orders[0].LogFile);
        Assert.That(log, Does.Contain("A call was rejected with PermissionDenied"));
        Assert.That(log, Does.Not.Contain(subject));
        foreach (var token in tokens)
            Assert.That(log, Does.Not.Contain(token.Split('.')[1]).And.Not.Contain(token.Split('.')[2]));
    }

    [Test]
    public async Task Should_keep_the_connection_of_a_client_with_many_rejected_calls()
    {
        var orders = new OrderService.OrderServiceClient(System.Orders[0].AnonymousChannel);
        for (var round = 0; round < 20; round++)
        {
            var statuses = await Task.WhenAll(Enumerable.Range(0, 200).Select(async _ =>
            {
                try
                {
                    await orders.CreateOrderAsync(NewOrder(Id, 1));
                    return StatusCode.OK;
                }
                catch (RpcException e)
                {
                    return e.StatusCode;
                }
            }));
            Assert.That(statuses, Is.All.EqualTo(StatusCode.Unauthenticated));
        }
    }

    [Test]
    public async Task Should_reject_json_without_one_or_its_scope()
    {
        using var anonymous = new HttpClient { BaseAddress = System.Orders[0].HttpAddress };
        using var missing = await anonymous.GetAsync($"/v1/orders/{Id}");
        Assert.That(missing.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        using var unknown = await anonymous.GetAsync("/v1/unknown");
        Assert.That(unknown.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized), "nobody learns which paths exist");
        using var reader = System.Orders[0].NewHttpClient(TokenIssuer.Instance.Sign("alice", "orders.read"));
        using var denied = await reader.PostAsync($"/v1/orders/{Id}:cancel", new StringContent("{}", null,
            "application/json"));
        Assert.That(denied.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
        Assert.That(await denied.Content.ReadAsStringAsync(), Does.Contain("orders.write"));
    }

    [Test]
    public async Task Should_ask_for_none_to_check_the_health_but_for_one_to_describe_the_methods()
    {
        using var http = new HttpClient { BaseAddress = System.Orders[0].HttpAddress };
        foreach (var path in new[] { "/health/live", "/health/ready" })
            Assert.That((await http.GetAsync(path)).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        var health = new Health.HealthClient(System.Orders[0].AnonymousChannel);
        Assert.That((await health.CheckAsync(new HealthCheckRequest())).Status,
            Is.EqualTo(HealthCheckResponse.Types.ServingStatus.Serving));

        Assert.That(() => DescribeAsync(System.Orders[0].AnonymousChannel), Throws.TypeOf<RpcException>()
            .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.Unauthenticated));
        Assert.That(await DescribeAsync(System.Orders[0].Channel), Is.True);

        static async Task<bool> DescribeAsync(ChannelBase channel)
        {
            using var call = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo();
            try
            {
                await call.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "" });
            }
            catch (RpcException)
            {
                // The call was rejected before its first message; the response says why.
            }

            return await call.ResponseStream.MoveNext(default);
        }
    }
}
