using System.Diagnostics;
using Accounts.V1;
using Grpc.Core;
using Npgsql;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Failures;

[TestFixture, Category("E2E")]
public sealed class When_the_database_fails : SystemFixture
{
    protected override OrderSystemOptions Options => new() { OrderReplicas = 2 };

    protected override bool CopiesDatabases => false; // a test changes the tables as their owner

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        // Messages that fail are not sent again while a test counts them.
        ["Saga__ResendDelay"] = "00:05:00",
        ["Saga__MaxResendDelay"] = "00:05:00",
    };

    [Test]
    public async Task Should_return_unavailable_while_it_is_down_and_complete_all_orders_afterwards()
    {
        var postgres = Stoppable(System.Servers.Postgres);
        var account = await OpenAccountAsync(1000);
        var before = await PlaceOrdersAsync(50, account);

        await postgres.StopAsync(Signal.Kill);
        Assert.That(() => PlaceOrderAsync(account, 1),
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.Unavailable));
        await postgres.StartAsync();

        await AssertConfirmedAsync(before);
        await AuditAsync();
    }

    [Test, Category("Long")]
    public async Task Should_complete_the_orders_of_other_accounts_while_one_account_is_locked()
    {
        var locked = await OpenAccountAsync(1000);
        var others = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => OpenAccountAsync(1000)));
        var waiting = new List<string>();
        await using (await LockAsync(locked))
        {
            var deposit = new DepositRequest { AccountId = locked, Amount = Money(1) };
            Assert.That(async () => await Accounts.DepositAsync(deposit),
                Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.Aborted),
                "only the row is unavailable, not the database");
            for (var i = 0; i < 5; i++)
                waiting.Add(await PlaceOrderAsync(locked, 1));
            var orders = await Task.WhenAll(others.Concat(others).Select(x => PlaceOrderAsync(x, 1)));

            await WaitForEndAsync(orders); // while the lock is held
            Assert.That((await GetOrderAsync(waiting[0])).Status.IsTerminal(), Is.False);
        }

        await AssertConfirmedAsync(waiting);
        await AuditAsync();
    }

    [Test]
    public async Task Should_not_delay_other_accounts_by_an_account_that_stays_locked()
    {
        var (locked, other) = (await OpenAccountAsync(1000), await OpenAccountAsync(1000));
        await WaitForEndAsync(await PlaceOrderAsync(other, 1));
        var waiting = new List<string>();
        var durations = new List<TimeSpan>();
        await using (await LockAsync(locked))
        {
            waiting.Add(await PlaceOrderAsync(locked, 1));
            await WaitForQuarantineAsync();
            for (var i = 0; i < 20; i++)
            {
                waiting.Add(await PlaceOrderAsync(locked, 1));
                var placed = Stopwatch.StartNew();
                await WaitForEndAsync(await PlaceOrderAsync(other, 1));
                durations.Add(placed.Elapsed);
                await Task.Delay(200);
            }
        }

        // Outside a quarantine, most would wait for up to three seconds, until the lock of the account is given up. A
        // machine that stalls may delay two.
        Assert.That(durations.Order().ElementAt(durations.Count - 3), Is.LessThan(TimeSpan.FromSeconds(2)));
        await AssertConfirmedAsync(waiting);
        await AuditAsync();
    }

    [Test]
    public async Task Should_handle_messages_that_are_moved_back_from_an_error_queue()
    {
        if (System.Servers is GivenServers)
            Assert.Ignore("the test needs RabbitMQ's shovel plugin, which given servers may lack");
        const string queue = "capture-funds", errors = $"{queue}_error";
        var account = await OpenAccountAsync(1000);
        var queues = BrokerQueues.Of(System);
        await ExecuteAsync(System.AccountDatabase,
            "alter table reservations add constraint nothing_captured check (status <> 'Captured') not valid");
        try
        {
            await AssertConfirmedAsync(await PlaceOrdersAsync(3, account, price: 10));
            await Wait.UntilAsync(
                async () => (await queues.NonEmptyAsync(default)).GetValueOrDefault(errors) == 3, MaxWait,
                () => $"three messages in {errors}");
        }
        finally
        {
            await ExecuteAsync(System.AccountDatabase, "alter table reservations drop constraint nothing_captured");
        }

        await WaitForBalancesAsync(account, available: 970, held: 30, captured: 0);

        await System.Servers.Rabbit.MoveMessagesAsync(System.VirtualHost, errors, queue, System.OperationsUser);

        await WaitForBalancesAsync(account, available: 970, held: 0, captured: 30);
        await AuditAsync();
    }

    [Test, Category("Long")]
    public async Task Should_stop_on_sigterm_while_the_database_does_not_respond()
    {
        var postgres = Stoppable(System.Servers.Postgres);
        var account = await OpenAccountAsync(1000);
        ServiceReplica[] stopped = [System.Orders[1], System.Accounts[0]];
        var placing = Enumerable.Range(0, 30).Select(_ => PlaceOrderAsync(account, 1)).ToList();
        await Task.WhenAny(placing);

        await postgres.PauseAsync();
        try
        {
            var stopping = Stopwatch.StartNew();
            foreach (var replica in stopped)
                replica.Send(Signal.Term);
            await Wait.UntilAsync(() => Task.FromResult(stopped.All(x => x.HasExited)), TimeSpan.FromSeconds(10),
                () => "both processes to end");
            await TestContext.Progress.WriteLineAsync($"ended after {stopping.Elapsed.TotalSeconds:F1} s");
        }
        finally
        {
            await postgres.ResumeAsync();
            foreach (var replica in stopped)
            {
                await replica.KillAsync();
                replica.Start();
            }

            await Task.WhenAll(stopped.Select(x => x.WaitUntilReadyAsync()));
        }

        await AssertConfirmedAsync(await Task.WhenAll(placing));
        await AuditAsync();
    }

    [Test]
    public async Task Should_complete_orders_after_a_migration_changes_the_result_of_prepared_statements()
    {
        var account = await OpenAccountAsync(1000);
        await AssertConfirmedAsync(await PlaceOrdersAsync(20, account));
        await ExecuteAsync(System.AccountDatabase, "alter table accounts alter column available type numeric(21, 4)");
        await using var owner = NpgsqlDataSource.Create($"{System.OrderLogins.Owner};Pooling=false");
        await using var migration = owner.CreateCommand("""
            do $$
            declare
                definition text := pg_get_viewdef('all_orders'::regclass);
            begin
                drop view all_orders;
                alter table orders alter column last_event type varchar(40);
                execute 'create view all_orders as ' || definition;
            end $$
            """);
        await migration.ExecuteNonQueryAsync();
        await AssertConfirmedAsync(await PlaceOrdersAsync(20, account));
        await AuditAsync();
    }

    /// <summary>Locks an account, bypassing the service, until the returned connection is disposed.</summary>
    async Task<NpgsqlConnection> LockAsync(string account)
    {
        var connection = new NpgsqlConnection(
            $"{System.Servers.Postgres.Admin(System.AccountDatabase)};Pooling=false");
        await connection.OpenAsync();
        await connection.BeginTransactionAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "select from accounts where account_id = $1 for update";
        command.Parameters.Add(new() { Value = Guid.Parse(account) });
        await command.ExecuteNonQueryAsync();
        return connection;
    }
}
