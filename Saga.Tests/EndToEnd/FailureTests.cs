using System.Diagnostics;
using Accounts.V1;
using Grpc.Core;
using Npgsql;
using Orders.V1;
using RabbitMQ.Client;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_something_fails : SystemFixture
{
    protected override OrderSystemOptions Options => new() { OrderReplicas = 2 };

    /// <summary>Longer than any failure here lasts: no order is given up for one.</summary>
    protected override TimeSpan ReservationTimeout => TimeSpan.FromMinutes(5);

    [TestCase("Order")]
    [TestCase("Account")]
    public async Task Should_lose_and_double_nothing_when_a_service_is_killed(string service)
    {
        var accounts = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => OpenAsync(1000)));
        var killed = service == "Order" ? System.Orders[0] : System.Accounts[0];
        var client = new OrderService.OrderServiceClient(System.Orders[1].Channel);

        var placing = Task.WhenAll(Enumerable.Range(0, 300).Select(async i =>
        {
            await Task.Delay(i * 5);
            var request = NewOrder(accounts[i % 10], 1, requestId: Guid.NewGuid().ToString());
            return (await CallAsync(() => (i % 2 == 0 ? Orders : client).CreateOrderAsync(request).ResponseAsync)).OrderId;
        }));
        await Task.Delay(700);
        await killed.KillAsync();
        await Task.Delay(300);
        killed.Start();
        var ids = await placing;
        await killed.WaitUntilReadyAsync();

        var orders = await Task.WhenAll(ids.Select(EndAsync));
        Assert.That(orders.Select(x => x.OrderId).Distinct().Count(), Is.EqualTo(300));
        Assert.That(orders, Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    [Test]
    public async Task Should_have_declared_what_it_sends_to_when_it_is_ready()
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        string[] exchanges = ["Contracts:OrderRejected", "Contracts:OrderCancelled"]; // of the others there are consumers, which declare them
        await System.Orders[1].KillAsync();
        foreach (var exchange in exchanges)
            await channel.ExchangeDeleteAsync(exchange);

        System.Orders[1].Start();
        await System.Orders[1].WaitUntilReadyAsync();

        foreach (var exchange in exchanges)
            Assert.That(async () => await channel.ExchangeDeclarePassiveAsync(exchange), Throws.Nothing);
    }

    [Test]
    public async Task Should_see_changes_that_another_replica_makes()
    {
        var account = await OpenAsync(100);
        var id = await PlaceAsync(account, 10);
        using var watch = new OrderService.OrderServiceClient(System.Orders[1].Channel)
            .WatchOrder(new WatchOrderRequest { OrderId = id }, deadline: DateTime.UtcNow + Patience);
        Order last = new();
        while (await watch.ResponseStream.MoveNext(default))
            last = watch.ResponseStream.Current;
        Assert.That(last.Status, Is.EqualTo(OrderStatus.Confirmed));
    }

    [Test]
    public async Task Should_go_on_when_the_brokers_connections_are_closed()
    {
        var account = await OpenAsync(1000);
        var placing = Task.WhenAll(Enumerable.Range(0, 100).Select(async i =>
        {
            await Task.Delay(i * 10);
            return await PlaceAsync(account, 1);
        }));
        await Task.Delay(500);
        await System.Servers.Rabbit.CloseConnectionsAsync(System.VirtualHost);
        var orders = await Task.WhenAll((await placing).Select(EndAsync));
        Assert.That(orders, Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    [TestCase(Signal.Kill, 20)]
    [TestCase(Signal.Term, 1000)]
    public async Task Should_take_orders_while_the_broker_is_down_and_end_them_after(Signal signal, int underWay)
    {
        var rabbit = Stoppable(System.Servers.Rabbit);
        var account = await OpenAsync(10_000);
        var before = await Task.WhenAll(Enumerable.Range(0, underWay).Select(_ => PlaceAsync(account, 1)));

        await rabbit.StopAsync(signal);
        var during = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => PlaceAsync(account, 1)));
        var asked = await CountAsync(System.OrderDatabase, "select count(*) from outbox_message where message_type like '%ReserveFunds%'");
        await rabbit.StartAsync();

        Assert.That(asked, Is.GreaterThanOrEqualTo(during.Length), "CreateOrder's own commit carries the saga's first command");
        var orders = await Task.WhenAll(before.Concat(during).Select(EndAsync));
        Assert.That(orders, Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
        var later = await EndAsync(await PlaceAsync(account, 1));
        Assert.That(later.Status, Is.EqualTo(OrderStatus.Confirmed));
    }

    [Test]
    public async Task Should_be_ready_for_orders_when_it_starts_while_the_broker_is_down()
    {
        var rabbit = Stoppable(System.Servers.Rabbit);
        var account = await OpenAsync(1000);
        var replica = System.Orders[1];
        await replica.KillAsync();
        string placed;

        await rabbit.StopAsync(Signal.Term);
        try
        {
            replica.Start();
            await replica.WaitUntilReadyAsync();
            placed = (await new OrderService.OrderServiceClient(replica.Channel).CreateOrderAsync(NewOrder(account, 1))).OrderId;
        }
        finally
        {
            await rabbit.StartAsync();
        }

        Assert.That((await EndAsync(placed)).Status, Is.EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
        Assert.That((await EndAsync(await PlaceAsync(account, 1))).Status, Is.EqualTo(OrderStatus.Confirmed));
    }

    [Test]
    public async Task Should_answer_unavailable_while_the_database_is_down_and_go_on_after()
    {
        var postgres = Stoppable(System.Servers.Postgres);
        var account = await OpenAsync(1000);
        var before = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => PlaceAsync(account, 1)));

        await postgres.StopAsync(Signal.Kill);
        Assert.That(() => PlaceAsync(account, 1), Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.Unavailable));
        await postgres.StartAsync();

        var orders = await Task.WhenAll(before.Select(EndAsync));
        Assert.That(orders, Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    [Test]
    public async Task Should_go_on_with_the_other_accounts_while_one_is_locked()
    {
        var locked = await OpenAsync(1000);
        var others = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => OpenAsync(1000)));
        var waiting = new List<string>();
        await using (await LockAsync(locked))
        {
            Assert.That(async () => await Accounts.DepositAsync(new DepositRequest { AccountId = locked, Amount = Money(1) }),
                Throws.TypeOf<RpcException>().With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.Aborted), "it is the row that is not to be had, not the database");
            for (var i = 0; i < 5; i++)
                waiting.Add(await PlaceAsync(locked, 1));
            var orders = await Task.WhenAll(others.SelectMany(x => new[] { PlaceAsync(x, 1), PlaceAsync(x, 1) }));

            await Task.WhenAll(orders.Select(EndAsync)); // with the lock held
            Assert.That(IsTerminal((await GetAsync(waiting[0])).Status), Is.False);
        }

        Assert.That(await Task.WhenAll(waiting.Select(EndAsync)), Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    [Test]
    public async Task Should_keep_nobody_waiting_for_an_account_that_stays_locked()
    {
        var (locked, other) = (await OpenAsync(1000), await OpenAsync(1000));
        await EndAsync(await PlaceAsync(other, 1));
        var waiting = new List<string>();
        var slowest = TimeSpan.Zero;
        await using (await LockAsync(locked))
        {
            waiting.Add(await PlaceAsync(locked, 1));
            await Task.Delay(TimeSpan.FromSeconds(4)); // by now it is known that it is locked
            for (var i = 0; i < 20; i++)
            {
                waiting.Add(await PlaceAsync(locked, 1)); // yet more for it
                var placed = Stopwatch.StartNew();
                await EndAsync(await PlaceAsync(other, 1));
                slowest = placed.Elapsed > slowest ? placed.Elapsed : slowest;
                await Task.Delay(200);
            }
        }

        await TestContext.Progress.WriteLineAsync($"the slowest took {slowest.TotalSeconds:F2} s");
        Assert.That(slowest, Is.LessThan(TimeSpan.FromSeconds(2)));
        Assert.That(await Task.WhenAll(waiting.Select(EndAsync)), Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    [Test]
    public async Task Should_do_what_is_moved_back_from_an_error_queue_once_its_reason_is_mended()
    {
        if (System.Servers is GivenServers)
            Assert.Ignore("given servers may be without the plugin that moves messages");
        const string queue = "capture-funds", errors = $"{queue}_error";
        var account = await OpenAsync(1000);
        var queues = BrokerQueues.Of(System);
        await ExecuteAsync(System.AccountDatabase, "alter table reservations add constraint nothing_captured check (status <> 'Captured') not valid");
        try
        {
            var placed = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => PlaceAsync(account, 10)));
            Assert.That(await Task.WhenAll(placed.Select(EndAsync)), Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
            await Wait.UntilAsync(async () => (await queues.NonEmptyAsync(default)).GetValueOrDefault(errors) == 3, Patience, () => $"three messages in {errors}");
        }
        finally
        {
            await ExecuteAsync(System.AccountDatabase, "alter table reservations drop constraint nothing_captured");
        }

        await BalancesAsync(account, available: 970, held: 30, captured: 0);

        await System.Servers.Rabbit.MoveMessagesAsync(System.VirtualHost, errors, queue);

        await BalancesAsync(account, available: 970, held: 0, captured: 30);
        await AuditAsync();
    }

    [Test]
    public async Task Should_end_when_told_to_though_the_database_stands_still()
    {
        var postgres = Stoppable(System.Servers.Postgres);
        var account = await OpenAsync(1000);
        ServiceReplica[] told = [System.Orders[1], System.Accounts[0]];
        var placing = Enumerable.Range(0, 30).Select(_ => PlaceAsync(account, 1)).ToList();
        await Task.WhenAny(placing);

        await postgres.PauseAsync();
        try
        {
            var asked = Stopwatch.StartNew();
            foreach (var replica in told)
                replica.Send(Signal.Term);
            await Wait.UntilAsync(() => Task.FromResult(told.All(x => x.HasExited)), TimeSpan.FromSeconds(10), () => "both to end by themselves");
            await TestContext.Progress.WriteLineAsync($"ended after {asked.Elapsed.TotalSeconds:F1} s");
        }
        finally
        {
            await postgres.ResumeAsync();
            foreach (var replica in told)
            {
                await replica.KillAsync();
                replica.Start();
            }

            await Task.WhenAll(told.Select(x => x.WaitUntilReadyAsync()));
        }

        var placed = await Task.WhenAll(placing);
        Assert.That(await Task.WhenAll(placed.Select(EndAsync)), Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    [Test]
    public async Task Should_go_on_when_a_migration_widens_what_prepared_statements_return()
    {
        var account = await OpenAsync(1000);
        await ConfirmAsync(20);
        await ExecuteAsync(System.AccountDatabase, "alter table accounts alter column available type numeric(21, 4)");
        await ExecuteAsync(System.OrderDatabase, "alter table orders alter column reason type character varying(24)");
        await ConfirmAsync(20);
        await AuditAsync();

        async Task ConfirmAsync(int orders)
        {
            var placed = await Task.WhenAll(Enumerable.Range(0, orders).Select(_ => PlaceAsync(account, 1)));
            Assert.That(await Task.WhenAll(placed.Select(EndAsync)), Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        }
    }

    [Test]
    public async Task Should_start_several_replicas_on_an_empty_database_at_once()
    {
        await using var system = await OrderSystem.StartAsync(await TestServers.GetAsync(),
            new OrderSystemOptions { Suffix = TestServers.NewName("_many"), OrderReplicas = 3, AccountReplicas = 3 });
        Assert.That(File.ReadAllText(system.Orders[0].LogFile), Does.Not.Contain("crit:"));
    }

    /// <summary>Locks an account past the service, until the connection is disposed of.</summary>
    async Task<NpgsqlConnection> LockAsync(string account)
    {
        var connection = new NpgsqlConnection($"{System.Servers.Postgres.Admin(System.AccountDatabase)};Pooling=false");
        await connection.OpenAsync();
        await connection.BeginTransactionAsync();
        await using var command = new NpgsqlCommand("select from accounts where account_id = $1 for update", connection) { Parameters = { new() { Value = Guid.Parse(account) } } };
        await command.ExecuteNonQueryAsync();
        return connection;
    }
}
