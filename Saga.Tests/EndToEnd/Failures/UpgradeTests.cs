using System.Text;
using Accounts;
using Accounts.V1;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Orders;
using Orders.V1;
using RabbitMQ.Client;
using Saga.Servers;
using Saga.Services;
using V1OrderReason = Orders.V1.OrderReason;

namespace Saga.Tests.EndToEnd.Failures;

/// <summary>
/// Starts from the databases and the queues that the version before left, which asked Account only once: it had no
/// column resend_time and no event FundsCaptured.
/// </summary>
[TestFixture, Category("E2E")]
public sealed class When_the_version_before_has_left_orders : SystemFixture
{
    const string AccountId = "01a22193-6e93-76a2-a273-db6bd167e944";
    const string Captured = "01a22193-7018-7ec3-849c-da3d322d3b1d";
    const string ConfirmedAndLost = "01a22193-fa17-760b-929c-56b368856cbf";
    const string ConfirmedAndQueued = "01a22193-fb17-760b-929c-56b368856cbf";
    const string CancellingAndLost = "01a22194-0247-7523-9e1e-ed80e2f433ca";
    const string ReservingAndQueued = "01a22194-0347-7523-9e1e-ed80e2f433ca";
    const string ReservingAndLost = "01a22194-0447-7523-9e1e-ed80e2f433ca";
    const string ReservingTooLong = "01a22194-0547-7523-9e1e-ed80e2f433ca";

    protected override OrderSystemOptions Options => new() { PrepareAsync = LeaveOrdersAsync };

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Messaging__AcceptUnsigned"] = "true",
    };

    [Test]
    public async Task Should_end_every_order_and_settle_its_funds()
    {
        await AuditAsync();

        await AssertConfirmedAsync(Captured, ConfirmedAndLost, ConfirmedAndQueued, ReservingAndQueued,
            ReservingAndLost);
        var cancelled = await WaitForEndAsync([CancellingAndLost, ReservingTooLong]);
        Assert.That(cancelled, Has.All.Property(nameof(Order.Status)).EqualTo(OrderStatus.Cancelled));
        Assert.That(cancelled.Select(x => x.Reason),
            Is.EqualTo(new[] { V1OrderReason.CancelledByClient, V1OrderReason.TimedOut }));
        await WaitForBalancesAsync(AccountId, available: 30, held: 0, captured: 70);
        await ExecuteAsync(System.AccountDatabase, // as docs/operations.md says
            $"update accounts set owner = '{BearerCredentials.Subject}' where account_id = '{AccountId}'");
        await AssertConfirmedAsync(await PlaceOrderAsync(AccountId, 1));
    }

    [TestCase("Confirmed", "Held", OrderStatus.Confirmed, "Captured")]
    [TestCase("Reserving", null, OrderStatus.Confirmed, "Captured")]
    [TestCase("Cancelling", "Held", OrderStatus.Cancelled, "Released")]
    public async Task Should_end_orders_that_an_older_replica_places_during_the_upgrade(
        string state, string? reservation, OrderStatus status, string settled)
    {
        var account = await OpenAccountAsync(10);
        var order = NewId.NextSequentialGuid();
        if (reservation != null)
            await HoldAllFundsAsync(account, order, reservation);
        // The version before knows no other columns, and its messages are lost.
        await ExecuteAsync(System.OrderDatabase, $$"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time)
            values ('{{order}}', 'Reserving', '{{account}}', '[{"Sku": "book", "Quantity": 1, "UnitPrice": 10}]', 10,
                'EUR', now(), now());
            update orders set current_state = '{{state}}', update_time = now() where order_id = '{{order}}';
            """);

        await Wait.UntilAsync(async () => await CountAsync(System.AccountDatabase, $"""
            select count(*) from reservations where order_id = '{order}' and status = '{settled}'
            """) == 1, MaxWait, () => $"the funds of the order to be {settled}");
        Assert.That((await WaitForEndAsync($"{order}")).Status, Is.EqualTo(status));
        await AuditAsync();
    }

    /// <summary>
    /// An account of 100 EUR. One order of 30 EUR has ended; of six orders of 10 EUR, funds are held for three.
    /// </summary>
    static async Task LeaveOrdersAsync(OrderSystem system)
    {
        await using (var db = new OrderDbContext(Of<OrderDbContext>(
            await system.Servers.Postgres.CreateDatabaseAsync(system.OrderDatabase))))
        {
            await db.Database.MigrateAsync("NotifyWithoutJoin");
            await db.Database.ExecuteSqlRawAsync($$"""
                insert into orders (order_id, current_state, account_id, items, total, currency, reason, create_time,
                    update_time)
                select id::uuid, state, '{{AccountId}}', '[{"Sku": "book", "Quantity": 1, "UnitPrice": 10}]', total,
                    'EUR', reason, now() - interval '1 day',
                    case when id in ('{{ReservingAndQueued}}', '{{ReservingAndLost}}') then now()
                        else now() - interval '1 day' end
                from (values
                    ('{{Captured}}', 'Confirmed', 30, null),
                    ('{{ConfirmedAndLost}}', 'Confirmed', 10, null),
                    ('{{ConfirmedAndQueued}}', 'Confirmed', 10, null),
                    ('{{CancellingAndLost}}', 'Cancelling', 10, 'CancelledByClient'),
                    ('{{ReservingAndQueued}}', 'Reserving', 10, null),
                    ('{{ReservingAndLost}}', 'Reserving', 10, null),
                    ('{{ReservingTooLong}}', 'Reserving', 10, null)) as left_orders (id, state, total, reason)
                """.Replace("{", "{{").Replace("}", "}}"));
        }

        await using (var db = new AccountDbContext(Of<AccountDbContext>(
            await system.Servers.Postgres.CreateDatabaseAsync(system.AccountDatabase))))
        {
            await db.Database.MigrateAsync("HotTables");
            await db.Database.ExecuteSqlRawAsync($"""
                insert into accounts (account_id, currency, available, held, captured, create_time, update_time)
                values ('{AccountId}', 'EUR', 40, 30, 30, now(), now());
                insert into reservations (order_id, account_id, amount, currency, status, create_time, update_time)
                values
                    ('{Captured}', '{AccountId}', 30, 'EUR', 'Captured', now(), now()),
                    ('{ConfirmedAndLost}', '{AccountId}', 10, 'EUR', 'Held', now(), now()),
                    ('{ConfirmedAndQueued}', '{AccountId}', 10, 'EUR', 'Held', now(), now()),
                    ('{CancellingAndLost}', '{AccountId}', 10, 'EUR', 'Held', now(), now());
                insert into ledger_entries
                    (account_id, order_id, kind, amount, available_after, held_after, captured_after, create_time)
                values
                    ('{AccountId}', null, 'Deposit', 100, 100, 0, 0, now()),
                    ('{AccountId}', '{Captured}', 'Hold', 30, 70, 30, 0, now()),
                    ('{AccountId}', '{Captured}', 'Capture', 30, 70, 0, 30, now()),
                    ('{AccountId}', '{ConfirmedAndLost}', 'Hold', 10, 60, 10, 30, now()),
                    ('{AccountId}', '{ConfirmedAndQueued}', 'Hold', 10, 50, 20, 30, now()),
                    ('{AccountId}', '{CancellingAndLost}', 'Hold', 10, 40, 30, 30, now());
                """);
        }

        var factory = new ConnectionFactory { Uri = new Uri(system.Servers.Rabbit.Amqp(system.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await PublishAsync(channel, "capture-funds", "OrderConfirmed",
            $$"""{"orderId":"{{ConfirmedAndQueued}}","accountId":"{{AccountId}}"}""");
        await PublishAsync(channel, "reserve-funds", "ReserveFunds",
            $$"""{"orderId":"{{ReservingAndQueued}}","accountId":"{{AccountId}}","amount":"10","currency":"EUR"}""");
    }

    /// <summary>Declares a queue and its exchange as the version before, and publishes one of its messages.</summary>
    static async Task PublishAsync(IChannel channel, string queue, string type, string message)
    {
        await channel.ExchangeDeclareAsync(queue, ExchangeType.Fanout, durable: true);
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false);
        await channel.QueueBindAsync(queue, queue, "");
        var id = Guid.NewGuid();
        var body = $$$"""
            {"messageId":"{{{id}}}","requestId":null,"correlationId":null,
            "conversationId":"91710000-7fe4-ad61-d821-08df4d359c0e","initiatorId":null,
            "sourceAddress":"exchange:order-state","destinationAddress":"rabbitmq://127.0.0.1/{{{queue}}}",
            "responseAddress":null,"faultAddress":null,"messageType":["urn:message:Contracts:{{{type}}}"],
            "message":{{{message}}},"expirationTime":null,"sentTime":"2026-11-28T09:54:35.6722234Z","headers":{},
            "host":{"machineName":"order-1","processName":"Order.Service","processId":1,"assembly":"Order.Service",
            "assemblyVersion":"1.0.0.0","frameworkVersion":"10.0.12","massTransitVersion":"8.5.12.0",
            "operatingSystemVersion":"Unix 6.1"}}
            """;
        var properties = new BasicProperties
        {
            MessageId = id.ToString(),
            ContentType = "application/vnd.masstransit+json",
            Persistent = true,
        };
        await channel.BasicPublishAsync("", queue, mandatory: true, properties, Encoding.UTF8.GetBytes(body));
    }

    static DbContextOptions<T> Of<T>(string connectionString) where T : DbContext =>
        new DbContextOptionsBuilder<T>().UseNpgsql(connectionString + ";Pooling=false").UseSnakeCaseNamingConvention()
            .Options;
}
