using System.Net;
using Grpc.Core;
using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture, Category("E2E")]
public sealed class When_calls_are_rejected : SystemFixture
{
    const int MaxOpen = 20;

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Admission__MaxOpenOrders"] = $"{MaxOpen}",
        ["Admission__RetryDelay"] = "00:00:00.1",
    };

    [Test]
    public async Task Should_return_the_order_of_a_known_request_id()
    {
        var account = await OpenAccountAsync(1000);
        var known = NewOrder(account, 1, requestId: $"{Guid.NewGuid()}");
        var id = (await UntilAdmittedAsync(() => Orders.CreateOrderAsync(known).ResponseAsync)).OrderId;
        await WhileRejectingAsync(account, async () =>
        {
            var repeats = await Task.WhenAll(Enumerable.Range(0, 100)
                .Select(_ => Orders.CreateOrderAsync(known).ResponseAsync));
            Assert.That(repeats.Select(x => x.OrderId), Has.All.EqualTo(id));
            using var http = System.Orders[0].NewHttpClient();
            using var json = new StringContent(known.ToString(), null, "application/json");
            Assert.That(await (await http.PostAsync("/v1/orders", json)).Content.ReadAsStringAsync(),
                Does.Contain(id));

            AssertRejected(NewOrder(account, 1, requestId: $"{Guid.NewGuid()}"), StatusCode.ResourceExhausted);
            known.Items[0].Quantity = 2;
            AssertRejected(known, StatusCode.AlreadyExists);
        });
    }

    [Test]
    public async Task Should_keep_the_connection_of_a_client_that_sends_its_requests_late()
    {
        const int rounds = 30, callsAtOnce = 100; // together more than Kestrel tracks on a connection
        var account = await OpenAccountAsync(1000);
        await WhileRejectingAsync(account, async () =>
        {
            await using var client = await SlowHttp2Client.ConnectAsync(System.Orders[0].GrpcAddress);
            for (var i = 0; i < rounds; i++)
                await client.CallAsync("/orders.v1.OrderService/CreateOrder", callsAtOnce,
                    new CreateOrderRequest { AccountId = account });
        });
    }

    [Test]
    public async Task Should_log_nothing_when_clients_give_up_before_their_requests_are_sent()
    {
        var account = await OpenAccountAsync(1000);
        var logged = 0;
        await WhileRejectingAsync(account, async () =>
        {
            logged = File.ReadAllText(System.Orders[0].LogFile).Length;
            await using var client = await SlowHttp2Client.ConnectAsync(System.Orders[0].GrpcAddress);
            await client.AbandonAsync("/orders.v1.OrderService/CreateOrder", 50);
            AssertRejected(NewOrder(account, 1), StatusCode.ResourceExhausted);
            await Task.Delay(500);
        });
        Assert.That(File.ReadAllText(System.Orders[0].LogFile)[logged..], Does.Not.Contain("   at "), "a stack trace");
    }

    [Test]
    public async Task Should_give_json_clients_the_header_retry_after()
    {
        using var http = System.Orders[0].NewHttpClient();
        var account = await OpenAccountAsync(1000);
        await WhileRejectingAsync(account, async () =>
        {
            using var json = new StringContent(NewOrder(account, 1).ToString(), null, "application/json");
            using var rejected = await http.PostAsync("/v1/orders", json);
            Assert.That(rejected.StatusCode, Is.EqualTo(HttpStatusCode.TooManyRequests));
            Assert.That(rejected.Headers.RetryAfter?.Delta, Is.EqualTo(TimeSpan.FromSeconds(1)));
        });

        var postgres = Stoppable(System.Servers.Postgres);
        await postgres.StopAsync(Signal.Int);
        try
        {
            using var unavailable = await http.GetAsync($"/v1/orders/{Guid.NewGuid()}");
            Assert.That(unavailable.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
            Assert.That(unavailable.Headers.RetryAfter?.Delta, Is.EqualTo(TimeSpan.FromSeconds(1)));
        }
        finally
        {
            await postgres.StartAsync();
        }
    }

    [Test]
    public async Task Should_be_passed_on_by_nginx_with_its_defaults()
    {
        await using var nginx = Nginx.Start(System.Servers.Folder, System.Orders[0]);
        using var channel = BearerCredentials.Connect(nginx.GrpcAddress);
        var client = new OrderService.OrderServiceClient(channel);
        var account = await OpenAccountAsync(1000);
        await RetryAsync(() => client.ListOrdersAsync(new ListOrdersRequest()).ResponseAsync);
        var invalid = new CreateOrderRequest { AccountId = "x", RequestId = "x" };
        for (var i = 0; i < 100; i++)
            invalid.Items.Add(new OrderItem { Sku = new string('x', 65), UnitPrice = Money(-1, "ZZZ") });
        Assert.That(() => client.CreateOrderAsync(invalid).ResponseAsync, Throws.TypeOf<RpcException>()
            .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.InvalidArgument));
        await WhileRejectingAsync(account, async () =>
        {
            Assert.That(await PlaceManyAsync(client, 300, account, deadline: null),
                Has.All.EqualTo(StatusCode.ResourceExhausted));
        });
    }

    [Test]
    public async Task Should_admit_others_when_the_deadlines_of_admitted_calls_have_passed()
    {
        var postgres = Stoppable(System.Servers.Postgres);
        var account = await OpenAccountAsync(1000);
        await postgres.PauseAsync();
        try
        {
            for (var i = 0; i < 2; i++)
                // No other call is admitted beside these. The service's own timer may be later than the client's.
                await Wait.UntilAsync(
                    async () => (await PlaceManyAsync(Orders, MaxOpen, account, DateTime.UtcNow.AddSeconds(1)))
                        .All(x => x == StatusCode.DeadlineExceeded),
                    MaxWait, () => $"calls to be admitted in round {i}");
        }
        finally
        {
            await postgres.ResumeAsync();
        }

        await AuditAsync();
    }

    /// <summary>Places orders at the same time, and returns the status of each call.</summary>
    static Task<StatusCode[]> PlaceManyAsync(
        OrderService.OrderServiceClient client, int count, string account, DateTime? deadline) =>
        Task.WhenAll(Enumerable.Range(0, count).Select(async _ =>
        {
            try
            {
                await client.CreateOrderAsync(NewOrder(account, 1), deadline: deadline);
                return StatusCode.OK;
            }
            catch (RpcException e)
            {
                return e.StatusCode;
            }
        }));

    /// <summary>Runs a test while so many orders are open that new ones are rejected.</summary>
    async Task WhileRejectingAsync(string account, Func<Task> test)
    {
        await Wait.UntilAsync(async () => await CountAsync(System.OrderDatabase,
            "select count(*) from orders where current_state in ('Reserving', 'Cancelling')") == 0,
            MaxWait, () => "no open orders");
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            // Until a snapshot of the database confirms it, a rejection can be too early.
            for (var rejections = 0; rejections < 3;)
                try
                {
                    await PlaceOrderAsync(account, 1);
                    rejections = 0;
                }
                catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
                {
                    rejections++;
                    await Task.Delay(500);
                }

            await test();
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        await AuditAsync();
    }

    void AssertRejected(CreateOrderRequest order, StatusCode expected) =>
        Assert.That(() => Orders.CreateOrderAsync(order).ResponseAsync, Throws.TypeOf<RpcException>()
            .With.Property(nameof(RpcException.StatusCode)).EqualTo(expected));
}
