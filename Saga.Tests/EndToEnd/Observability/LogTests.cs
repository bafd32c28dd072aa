using System.Text;
using Accounts.V1;
using Grpc.Core;
using MassTransit;
using RabbitMQ.Client;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Observability;

[TestFixture, Category("Long")]
public sealed class When_logs_are_read_by_a_machine : TraceFixture
{
    const string Price = "87654321", Deposited = "98765432";
    const int MaxLines = 60;

    static readonly TimeSpan OutageTime = TimeSpan.FromSeconds(20);

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>(base.Settings)
    {
        ["Logging__Console__FormatterName"] = "json",
    };

    IEnumerable<ServiceReplica> Replicas => System.Orders.Concat(System.Accounts);

    [Test]
    public async Task Should_name_orders_traces_and_queues_but_neither_amounts_nor_accounts()
    {
        var account = await OpenAccountAsync(long.Parse(Deposited));
        var trace = NewTrace();
        var order = await PlaceAsync(NewOrder(account, long.Parse(Price)), trace);
        await AssertConfirmedAsync(order);
        var unknown = $"{Guid.NewGuid()}";
        await WaitForEndAsync(
        [
            await PlaceOrderAsync(account, long.Parse(Price)), await PlaceOrderAsync(unknown, long.Parse(Price)),
            await PlaceOrderAsync(account, long.Parse(Price), "USD"),
        ]);
        var other = NewTrace();
        await PublishAsync($$"""
            {
                "messageId": "{{Guid.NewGuid()}}", "messageType": ["urn:message:Contracts:ReserveFunds"],
                "message": {
                    "orderId": "{{order}}", "accountId": "{{account}}", "amount": {{Price}}.01, "currency": "EUR"
                }
            }
            """, other);
        await PublishAsync($$"""{ "accountId": "{{account}}", "amount": {{Price}}, unreadable""");
        await PublishAsync($$"""{ "messageType": ["urn:message:Nobody:Knows"], "message": { "amount": {{Price}} } }""");
        await FailUnexpectedlyAsync(account, order);

        var replica = System.Accounts[0];
        await Wait.UntilAsync(() => Task.FromResult(LogLine.Read(replica).Count(x => x.Level == "Critical") >= 2
            && LogLine.Read(replica).Any(x => x.Has("could not be read"))), MaxWait,
            () => $"lines about failed messages:\n{string.Join('\n', LogLine.Read(replica))}");
        var failed = LogLine.Read(replica).Where(x => x.Level == "Critical").ToList();
        Assert.That(failed, Has.All.Matches<LogLine>(x => x!.Field("Queue") == "reserve-funds"));
        Assert.That(failed, Has.Some.Matches<LogLine>(
            x => x!.Field("OrderId") == order && x.Field("TraceId") == other), "its own trace");
        Assert.That(LogLine.Read(replica).Where(x => x.Level == "Error" && x.Field("OrderId") == order
            && x.Has("GetReservation") && x.Field("TraceId") != null), Is.Not.Empty);
        foreach (var line in Replicas.SelectMany(x => LogLine.Read(x)))
            Assert.That(line.Text, Does.Not.Contain(account).And.Not.Contain(unknown).And.Not.Contain(Price)
                .And.Not.Contain(Deposited));
        foreach (var queue in (string[])["reserve-funds_error", "reserve-funds_skipped"])
            await System.Servers.Rabbit.PurgeAsync(System.VirtualHost, queue);
    }

    [Test]
    public async Task Should_say_in_few_lines_that_broker_and_database_are_away_and_that_they_are_back()
    {
        var (rabbit, postgres) = (Stoppable(System.Servers.Rabbit), Stoppable(System.Servers.Postgres));
        var account = await OpenAccountAsync(1_000_000);
        await AssertConfirmedAsync(await PlaceOrderAsync(account, 1));
        var before = Replicas.ToDictionary(x => x.Name, x => LogLine.Read(x).Count);
        using var ended = new CancellationTokenSource();
        var load = Task.WhenAll(Enumerable.Range(0, 8)
            .Select(_ => Task.Run(() => PlaceUntilAsync(account, ended.Token))));
        await Task.Delay(500);

        await rabbit.StopAsync(Signal.Kill);
        await Task.Delay(1000); // messages wait in the outbox
        await postgres.StopAsync(Signal.Kill);
        await Task.Delay(OutageTime);
        await postgres.StartAsync();
        await rabbit.StartAsync();
        await Task.Delay(TimeSpan.FromSeconds(6)); // longer than no failure must occur before the end is logged
        await ended.CancelAsync();
        var calls = await load;
        await AuditAsync();

        foreach (var replica in Replicas)
        {
            var lines = LogLine.Read(replica, before[replica.Name]);
            await TestContext.Progress.WriteLineAsync($"{replica.Name}: {lines.Count} lines");
            Assert.That(lines, Has.Count.LessThan(MaxLines), string.Join('\n', lines));
            Assert.That(lines.Where(x => x.Level is "Error" or "Critical"), Is.Empty,
                "an outage is no fault of a service");
            foreach (var end in (string[])
                [
                    "RabbitMQ accepts connections again", "The outbox is searched for due messages again",
                ])
                Assert.That(lines.Count(x => x.Has(end)), Is.EqualTo(1), end);
        }

        var order = System.Orders[0];
        Assert.That(LogLine.Read(order, before[order.Name]).Count(x => x.Has("Calls succeed again")), Is.EqualTo(1));
        Assert.That(calls.Sum(), Is.GreaterThan(MaxLines));
    }

    /// <summary>Makes columns of what is read unknown for a moment, and calls and sends what needs them.</summary>
    async Task FailUnexpectedlyAsync(string account, string order)
    {
        await ExecuteAsync(System.AccountDatabase, """
            alter table reservations rename column currency to gone;
            alter view all_reservations rename column currency to gone
            """);
        await ExecuteAsync(System.AccountDatabase, "alter table accounts rename column captured to gone");
        try
        {
            using var http = System.Accounts[0].NewHttpClient();
            using var response = await http.GetAsync($"/v1/accounts/{account}");
            Assert.That((int)response.StatusCode, Is.EqualTo(500));
            var get = new GetReservationRequest { OrderId = order };
            Assert.That(() => Accounts.GetReservationAsync(get).ResponseAsync, Throws.TypeOf<RpcException>()
                .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.Internal));
            await PublishAsync($$"""
                {
                    "messageId": "{{Guid.NewGuid()}}", "messageType": ["urn:message:Contracts:ReserveFunds"],
                    "message": {
                        "orderId": "{{NewId.NextSequentialGuid()}}", "accountId": "{{account}}", "amount": {{Price}},
                        "currency": "EUR"
                    }
                }
                """);
            await Wait.UntilAsync(async () => (await System.Servers.Rabbit.QueuesAsync(System.VirtualHost))
                .Contains("reserve-funds_error") && await CountMessagesAsync("reserve-funds_error") >= 3, MaxWait,
                () => "the failed messages");
        }
        finally
        {
            await ExecuteAsync(System.AccountDatabase, """
                alter table reservations rename column gone to currency;
                alter view all_reservations rename column gone to currency
                """);
            await ExecuteAsync(System.AccountDatabase, "alter table accounts rename column gone to captured");
        }
    }

    async Task PublishAsync(string body, string? trace = null)
    {
        var factory = new ConnectionFactory { Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        var properties = new BasicProperties
        {
            ContentType = "application/vnd.masstransit+json",
            UserId = System.OrderUser,
        };
        if (trace != null)
            properties.Headers = new Dictionary<string, object?>
            {
                ["MT-Activity-Id"] = $"00-{trace}-00f067aa0ba902b7-01",
            };
        await channel.BasicPublishAsync("", "reserve-funds", mandatory: true, properties, Encoding.UTF8.GetBytes(body));
    }

    /// <summary>Places orders until it is cancelled.</summary>
    /// <returns>The number of failed calls.</returns>
    async Task<int> PlaceUntilAsync(string account, CancellationToken cancellationToken)
    {
        for (var failed = 0; ; await Task.Delay(20, CancellationToken.None))
            try
            {
                if (cancellationToken.IsCancellationRequested)
                    return failed;
                await Orders.CreateOrderAsync(NewOrder(account, 1), deadline: DateTime.UtcNow.AddSeconds(5));
            }
            catch (RpcException)
            {
                failed++;
            }
    }
}
