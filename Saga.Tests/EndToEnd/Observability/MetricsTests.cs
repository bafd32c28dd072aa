using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Grpc.Core;
using Npgsql;
using Orders.V1;
using RabbitMQ.Client;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd.Observability;

[TestFixture, Category("E2E")]
public sealed class When_metrics_are_read : SystemFixture
{
    const int MaxOpen = 40;

    LocalPrometheus? _prometheus;

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Admission__MaxOpenOrders"] = $"{MaxOpen}",
        ["Admission__RetryDelay"] = "00:00:00.1",
        ["Saga__ResendDelay"] = "00:00:01",
    };

    [OneTimeSetUp]
    public async Task CauseEachMetricAsync()
    {
        var prometheus = LocalPrometheus.IsInstalled ? LocalPrometheus.StartAsync(System) : null;
        await ConfirmManyAsync();
        if (prometheus != null)
            _prometheus = await prometheus;
        await RejectCallsAsync();
        await QuarantineAsync();
        await PublishUnreadableMessagesAsync();
    }

    [OneTimeTearDown]
    public async Task StopPrometheusAsync()
    {
        if (_prometheus != null)
            await _prometheus.DisposeAsync();
    }

    [Test]
    public async Task Should_show_a_failed_call_with_its_grpc_status()
    {
        var before = await Scrape.ReadAsync(System.Orders[0]);
        var missing = $"{Guid.NewGuid()}";
        Assert.That(() => Orders.GetOrderAsync(new GetOrderRequest { OrderId = missing }).ResponseAsync,
            Throws.TypeOf<RpcException>());
        using var http = System.Orders[0].NewHttpClient();
        Assert.That((await http.GetAsync($"/v1/orders/{missing}")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        using var unreadable = new ByteArrayContent([0, 0, 0, 0, 1, 0xff]);
        unreadable.Headers.ContentType = new("application/grpc");
        using var request = new HttpRequestMessage(HttpMethod.Post,
            new Uri(System.Orders[0].GrpcAddress, "/orders.v1.OrderService/ListOrders"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = unreadable,
        };
        await http.SendAsync(request);

        var after = before;
        // A call is counted after its response was sent.
        await Wait.UntilAsync(async () =>
        {
            after = await Scrape.ReadAsync(System.Orders[0]);
            return Calls("GetOrder", "NOT_FOUND") >= 2 && Calls("ListOrders", "INVALID_ARGUMENT") >= 1;
        }, MaxWait, () => "calls to be counted as NOT_FOUND and INVALID_ARGUMENT");
        Assert.That(Calls("GetOrder", "NOT_FOUND"), Is.EqualTo(2), "one by gRPC, one by JSON");
        Assert.That(Calls("GetOrder", "OK"), Is.Zero);
        Assert.That(Calls("ListOrders", "INVALID_ARGUMENT"), Is.EqualTo(1));
        Assert.That(Calls("ListOrders", "OK"), Is.Zero);

        double Calls(string method, string status)
        {
            (string, string)[] labels =
                [("rpc_method", $"orders.v1.OrderService/{method}"), ("rpc_response_status_code", status)];
            return after.Sum("rpc_server_call_duration_seconds_count", labels)
                - before.Sum("rpc_server_call_duration_seconds_count", labels);
        }
    }

    [Test]
    public async Task Should_serve_nothing_but_metrics_on_their_port()
    {
        using var http = new HttpClient { BaseAddress = System.Orders[0].MetricsAddress };
        Assert.That((await http.GetAsync("/v1/orders")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That((await http.GetAsync("/health/ready")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        using var api = System.Orders[0].NewHttpClient();
        Assert.That((await api.GetAsync("/metrics")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
    }

    [Test]
    public async Task Should_emit_exactly_what_operations_documents()
    {
        var expected = Documented();

        Dictionary<string, HashSet<string>> emitted = [];
        await Wait.UntilAsync(async () =>
        {
            emitted = await EmittedAsync();
            return expected.Keys.All(emitted.ContainsKey);
        }, MaxWait, () => $"the metrics {string.Join(", ", expected.Keys.Except(emitted.Keys))}");

        Assert.That(emitted.Keys, Is.EquivalentTo(expected.Keys));
        foreach (var (name, labels) in emitted)
        {
            Assert.That(labels, Is.SubsetOf(expected[name].All), name);
            Assert.That(labels, Is.SupersetOf(expected[name].Always), name);
        }

        foreach (var (queue, count) in (IEnumerable<(string, int)>)[("reserve-funds_error", 2),
            ("reserve-funds_skipped", 1)])
            await Wait.UntilAsync(async () => (await Scrape.ReadAsync(System.Accounts[0])).Sum(
                "messaging_queue_messages", ("messaging_destination_name", queue)) == count, MaxWait, () => queue);
    }

    [Test]
    public async Task Should_return_data_for_each_query_of_grafanas_dashboard()
    {
        if (_prometheus == null)
            Assert.Ignore("the test needs Prometheus: apt-get install prometheus");
        var queries = GrafanaDashboard.Read().Queries;
        Assert.That(queries, Has.Count.GreaterThan(20));
        List<string> empty = [];
        await Wait.UntilAsync(async () =>
        {
            empty = [];
            foreach (var query in queries)
                if (await _prometheus.CountPointsAsync(query.Replace("$__rate_interval", "10s",
                    StringComparison.Ordinal)) == 0)
                    empty.Add(query);
            return empty.Count == 0;
        }, MaxWait, () => $"data of\n{string.Join('\n', empty)}");
    }

    async Task ConfirmManyAsync()
    {
        var account = await OpenAccountAsync(1000);
        var before = await Scrape.ReadAsync(System.Orders[0]);
        await AssertConfirmedAsync(await Task.WhenAll(Enumerable.Range(0, 200)
            .Select(_ => UntilAdmittedAsync(() => PlaceOrderAsync(account, 1)))));
        await AuditAsync();
        var after = await Scrape.ReadAsync(System.Orders[0]);
        Assert.That(Added("order_duration_seconds_count", ("order_state", "Confirmed")), Is.EqualTo(200));
        Assert.That(Added("order_transitions_total", ("order_state", "Reserving")), Is.EqualTo(200));
        Assert.That(Added("messaging_client_sent_messages_total", ("messaging_destination_name", "reserve-funds")),
            Is.GreaterThanOrEqualTo(200), "also those of the fast path");
        Assert.That(Added("messaging_client_consumed_messages_total", ("messaging_destination_name", "order-state"),
            ("outcome", "committed")), Is.InRange(200, 200 + Added("order_resends_total")),
            "one answer for each command, and a slow machine sends some again");
        Assert.That(Added("rpc_server_call_duration_seconds_count", ("rpc_response_status_code", "OK"),
            ("rpc_method", "orders.v1.OrderService/CreateOrder")), Is.EqualTo(200));

        double Added(string name, params (string, string)[] labels) =>
            after.Sum(name, labels) - before.Sum(name, labels);
    }

    /// <summary>Places orders while Account is paused: calls are rejected, commands are sent again.</summary>
    async Task RejectCallsAsync()
    {
        var account = await OpenAccountAsync(1000);
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            await Wait.UntilAsync(async () =>
            {
                // A count that is not up to date yet rejects calls, too.
                await UntilRejectedAsync(() => PlaceOrderAsync(account, 1));
                var scrape = await Scrape.ReadAsync(System.Orders[0]);
                return scrape.Sum("order_resends_total") > 0
                    && scrape.Sum("order_waiting", ("order_state", "Reserving")) >= MaxOpen
                    && scrape.Sum("order_waiting_oldest_age_seconds", ("order_state", "Reserving")) > 1;
            }, MaxWait, () => "orders to wait, and commands to be sent again");
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        var rejected = (await Scrape.ReadAsync(System.Orders[0])).Sum("rpc_server_call_duration_seconds_count",
            ("rpc_method", "orders.v1.OrderService/CreateOrder"), ("rpc_response_status_code", "RESOURCE_EXHAUSTED"));
        Assert.That(rejected, Is.GreaterThan(0), "calls that admission control has ended before gRPC");
        await AuditAsync();
    }

    /// <summary>Locks an account until its order waits in quarantine.</summary>
    async Task QuarantineAsync()
    {
        var account = await OpenAccountAsync(1);
        await using var database = NpgsqlDataSource.Create(System.Servers.Postgres.Admin(System.AccountDatabase));
        await using var connection = await database.OpenConnectionAsync();
        await using (await connection.BeginTransactionAsync())
        {
            await using var command = new NpgsqlCommand(
                $"select 1 from accounts where account_id = '{account}' for update", connection);
            await command.ExecuteNonQueryAsync();
            await PlaceOrderAsync(account, 1);
            await WaitForQuarantineAsync();
        }

        await AuditAsync();
    }

    async Task PublishUnreadableMessagesAsync()
    {
        await using var connection = await new ConnectionFactory
        {
            Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)),
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        var properties = new BasicProperties
        {
            ContentType = "application/vnd.masstransit+json",
            UserId = System.OrderUser,
        };
        const string unknown = """{ "messageType": ["urn:message:Nobody:Knows"], "message": {} }""";
        foreach (var body in (string[])["unreadable", unknown])
            await channel.BasicPublishAsync("", "reserve-funds", mandatory: true, properties,
                Encoding.UTF8.GetBytes(body));
        await channel.BasicPublishAsync("", "reserve-funds", mandatory: true, new BasicProperties(),
            Encoding.UTF8.GetBytes("unsigned"));
    }

    /// <summary>The metrics of this system's meters with their labels, without the suffixes of Prometheus.</summary>
    async Task<Dictionary<string, HashSet<string>>> EmittedAsync()
    {
        var emitted = new Dictionary<string, HashSet<string>>();
        foreach (var replica in System.Orders.Concat(System.Accounts))
            foreach (var series in (await Scrape.ReadAsync(replica)).All.Where(x => IsOwn(x.Labels)))
            {
                var name = Regex.Replace(series.Name, "(_seconds)?(_total|_bucket|_sum|_count)?$", "");
                if (!emitted.TryGetValue(name, out var labels))
                    emitted[name] = labels = [];
                labels.UnionWith(series.Labels.Keys.Where(x => x is not ("otel_scope_name" or "le")));
            }

        return emitted;

        static bool IsOwn(IReadOnlyDictionary<string, string> labels) => labels.GetValueOrDefault("otel_scope_name")
            is "Messaging.Postgres" or "Messaging.RabbitMq" or "Service.Defaults" or "Order.Service"
            or "Account.Service";
    }

    static Dictionary<string, (string[] Always, string[] All)> Documented()
    {
        var section = File.ReadAllText(Path.Combine(Repository.Root, "docs", "operations.md"))
            .Split("\n## ").Single(x => x.StartsWith("Metrics\n", StringComparison.Ordinal));
        return section.Split('\n').Where(x => x.StartsWith("| `", StringComparison.Ordinal))
            .Select(x => x.Split('|', StringSplitOptions.TrimEntries)).ToDictionary(x => Name(x[1].Trim('`')), x =>
            {
                var labels = x[3] == "–" ? [] : x[3].Split(", ");
                return (labels.Where(y => y[0] != '(').Select(Name).ToArray(),
                    labels.Select(y => Name(y.Trim('(', ')'))).ToArray());
            });

        static string Name(string name) => name.Replace('.', '_');
    }
}
