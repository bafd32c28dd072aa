using System.Net;
using Grpc.Core;
using Operations.V1;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Operators;

[TestFixture, Category("E2E")]
public sealed class When_an_operator_has_a_token : OperatorFixture
{
    const string Missing = "00000000-0000-0000-0000-000000000001";

    [Test]
    public async Task Should_find_nothing_without_one_on_any_port_for_operators()
    {
        foreach (var (token, status) in new[]
        {
            ("", StatusCode.Unauthenticated), (TokenIssuer.Instance.Sign("bob"), StatusCode.PermissionDenied),
        })
        {
            var options = new CallOptions(token == "" ? [] : new Metadata { { "authorization", $"Bearer {token}" } });
            using var order = Anonymous(System.Orders[0].OperationsAddress);
            using var account = Anonymous(System.Accounts[0].OperationsAddress);
            using var operations = Anonymous(System.Operations!.GrpcAddress);
            IEnumerable<AsyncUnaryCall<ListQueuesResponse>> queues =
            [
                new MessagingOperations.MessagingOperationsClient(order).ListQueuesAsync(new(), options),
                new MessagingOperations.MessagingOperationsClient(account).ListQueuesAsync(new(), options),
            ];
            foreach (var call in queues)
                Assert.That(() => call.ResponseAsync, ThrowsStatus(status));
            Assert.That(() => new OrderOperations.OrderOperationsClient(order)
                .GetOrderStoryAsync(new() { OrderId = Missing }, options).ResponseAsync, ThrowsStatus(status));
            Assert.That(() => new AccountOperations.AccountOperationsClient(account)
                .ListStuckHoldsAsync(new(), options).ResponseAsync, ThrowsStatus(status));
            var client = new OperationsService.OperationsServiceClient(operations);
            Assert.That(() => client.GetOverviewAsync(new(), options).ResponseAsync, ThrowsStatus(status));
            Assert.That(() => client.PauseQueueAsync(
                new() { Name = "reserve-funds", Operator = "x", Reason = "x" }, options).ResponseAsync,
                ThrowsStatus(status));

            using var http = new HttpClient { BaseAddress = System.Operations.HttpAddress };
            if (token != "")
                http.DefaultRequestHeaders.Authorization = new("Bearer", token);
            using var json = await http.GetAsync("/v1/overview");
            Assert.That((int)json.StatusCode, Is.EqualTo(token == "" ? 401 : 403));
        }

        Assert.That(await AuditTrailAsync(nameof(Operations.PauseQueue)), Is.Empty, "nothing was done");
        static Grpc.Net.Client.GrpcChannel Anonymous(Uri address) => Grpc.Net.Client.GrpcChannel.ForAddress(address);
    }

    /// <summary>What an operator changes must leave a trace, so only Operations.Service may ask for it.</summary>
    [Test]
    public async Task Should_only_read_at_the_services_themselves()
    {
        using var order = BearerCredentials.Connect(System.Orders[0].OperationsAddress, () => Task.FromResult(Token));
        using var account =
            BearerCredentials.Connect(System.Accounts[0].OperationsAddress, () => Task.FromResult(Token));
        var orders = new OrderOperations.OrderOperationsClient(order);
        await orders.ListStuckOrdersAsync(new());
        Assert.That(() => orders.ReleaseHoldAsync(new() { OrderId = Missing }).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property(nameof(RpcException.StatusCode))
                .EqualTo(StatusCode.PermissionDenied).And.Message.Contains("lacks the scope operations\""));
        using (var redrive = orders.RedriveOrders(new() { OrderIds = { Missing } }))
            Assert.That(() => redrive.ResponseStream.MoveNext(default), ThrowsStatus(StatusCode.PermissionDenied));
        foreach (var channel in new[] { order, account })
        {
            var messages = new MessagingOperations.MessagingOperationsClient(channel);
            await messages.ListQueuesAsync(new());
            Assert.That(() => messages.PauseQueueAsync(new() { Name = "reserve-funds" }).ResponseAsync,
                ThrowsStatus(StatusCode.PermissionDenied));
            Assert.That(() => messages.ResumeQueueAsync(new() { Name = "reserve-funds" }).ResponseAsync,
                ThrowsStatus(StatusCode.PermissionDenied));
            Assert.That(() => messages.SendParkedMessagesAsync(new()).ResponseAsync,
                ThrowsStatus(StatusCode.PermissionDenied));
            Assert.That(() => messages.DiscardParkedMessagesAsync(new()).ResponseAsync,
                ThrowsStatus(StatusCode.PermissionDenied));
        }
    }

    [Test]
    public void Should_change_nothing_with_the_scope_of_changes_alone()
    {
        using var order = BearerCredentials.Connect(System.Orders[0].OperationsAddress,
            () => Task.FromResult(TokenIssuer.Instance.Sign(Operator, "operations")));
        Assert.That(() => new OrderOperations.OrderOperationsClient(order)
            .ReleaseHoldAsync(new() { OrderId = Missing }).ResponseAsync, ThrowsStatus(StatusCode.PermissionDenied));
    }

    [Test]
    public async Task Should_be_the_operator_of_the_audit_trail_whatever_the_request_says()
    {
        Assert.That(() => Operations.ReleaseHoldsAsync(
            new ReleaseHoldsRequest { OrderIds = { "x" }, Operator = "mallory", Reason = Reason }).ResponseAsync,
            ThrowsStatus(StatusCode.InvalidArgument));
        Assert.That((await AuditTrailAsync(nameof(Operations.ReleaseHolds)))[^1].Operator,
            Is.EqualTo($"{Operator} for mallory"));
    }

    [Test]
    public async Task Should_read_the_report_of_a_day_as_json()
    {
        using var http = new HttpClient { BaseAddress = System.Operations!.HttpAddress };
        http.DefaultRequestHeaders.Authorization = new("Bearer", Token);
        var day = DateTime.UtcNow;
        foreach (var (query, status) in new[]
        {
            ($"day.year={day.Year}&day.month={day.Month}&day.day={day.Day}", 200),
            ($"day.year={day.Year}&day.year={day.Year}&day.month=1&day.day=1", 400), ("day.hour=1", 400),
            ("day=2026-11-30", 400), ("day.year.x=1", 400), ("day.=1", 400), (".day=1", 400), ("day.year=2026", 400),
        })
        {
            using var response = await http.GetAsync($"/v1/reports/day?{query}");
            Assert.That((int)response.StatusCode, Is.EqualTo(status), query);
        }
    }

    [Test]
    public async Task Should_sign_in_to_the_page_with_it()
    {
        using var handler = new HttpClientHandler { AllowAutoRedirect = false };
        using var http = new HttpClient(handler) { BaseAddress = System.Operations!.HttpAddress };
        using (var page = await http.GetAsync("/audit?x=1"))
            Assert.That((page.StatusCode, page.Headers.Location?.OriginalString),
                Is.EqualTo((HttpStatusCode.Redirect, "/sign-in?to=%2Faudit%3Fx%3D1")));
        foreach (var (token, error) in new[]
        {
            ("nonsense", "The token is not valid."),
            (TokenIssuer.Instance.Sign(Operator, "admin", TimeSpan.FromMinutes(-5)), "The token is not valid."),
            (TokenIssuer.Instance.Sign("bob"), "The token lacks the scope admin."),
            (TokenIssuer.Instance.Sign(Operator, TokenIssuer.OperationsScopes), "The token has the scope operations"),
        })
        {
            using var refused = await SignInAsync(token);
            Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
            Assert.That(await refused.Content.ReadAsStringAsync(), Does.Contain(error).And.Not.Contain(token));
            Assert.That(refused.Headers.Contains("Set-Cookie"), Is.False);
        }

        using (var admitted = await SignInAsync(Token))
        {
            Assert.That((admitted.StatusCode, admitted.Headers.Location?.OriginalString),
                Is.EqualTo((HttpStatusCode.Redirect, "/audit?x=1")));
            Assert.That(admitted.Headers.GetValues("Set-Cookie").Single(),
                Does.Contain("httponly").And.Contain("samesite=lax").And.Contain("expires="));
        }

        using (var page = await http.GetAsync("/audit"))
            Assert.That(page.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        using (await http.PostAsync("/sign-out", null))
        using (var page = await http.GetAsync("/audit"))
            Assert.That(page.StatusCode, Is.EqualTo(HttpStatusCode.Redirect));

        async Task<HttpResponseMessage> SignInAsync(string token)
        {
            using var form = new FormUrlEncodedContent([new("token", token)]);
            return await http.PostAsync("/sign-in?to=%2Faudit%3Fx%3D1", form);
        }
    }
}
