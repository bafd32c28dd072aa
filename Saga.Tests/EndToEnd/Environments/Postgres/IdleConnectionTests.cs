using Orders.V1;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_idle_connections_are_lost : EnvironmentFixture
{
    static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(2);

    protected override string ChangeDatabase(string connectionString)
    {
        ExecuteAsAdmin(connectionString,
            $"alter role \"{{role}}\" set idle_session_timeout = '{IdleTimeout.TotalSeconds:F0}s'");
        return connectionString;
    }

    [Test]
    public async Task Should_not_fail_calls_after_the_server_has_ended_idle_sessions()
    {
        var account = await OpenAccountAsync(100);
        var orders = await PlaceOrdersAsync(20, account); // many connections
        for (var i = 0; i < 5; i++)
        {
            await Task.Delay(IdleTimeout * 1.25); // what is tested is the time itself
            Assert.That(() => GetAccountAsync(account), Throws.Nothing);
            Assert.That(() => GetOrderAsync(orders[0]), Throws.Nothing);
            orders = [.. orders, await PlaceOrderAsync(account, 1)];
        }

        await AssertConfirmedAsync(orders);
        await AuditAsync();
    }

    [Test]
    public async Task Should_not_fail_reads_when_the_server_ends_sessions_between_two_calls()
    {
        var account = await OpenAccountAsync(100);
        var order = await PlaceOrderAsync(account, 1);
        await WaitForEndAsync(order);
        using var end = new CancellationTokenSource();
        var readers = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            var reads = 0;
            for (; !end.IsCancellationRequested; reads++)
            {
                await GetOrderAsync(order);
                await Orders.ListOrdersAsync(new ListOrdersRequest { AccountId = account });
                await Task.Delay(10);
            }

            return reads;
        })).ToArray();
        for (var i = 0; i < 8 && !readers.Any(x => x.IsFaulted); i++)
        {
            await Task.Delay(1000); // a read that is repeated has ended
            await CountAsync(System.OrderDatabase, $"""
                select count(pg_terminate_backend(pid)) from pg_stat_activity
                where datname = '{System.OrderDatabase}' and pid <> pg_backend_pid()
                """);
        }

        await end.CancelAsync();
        Assert.That(await Task.WhenAll(readers), Has.All.GreaterThan(20));
        await AuditAsync();
    }

    [Test]
    public async Task Should_not_fail_calls_after_a_restart_of_the_server()
    {
        var postgres = Stoppable(System.Servers.Postgres);
        var account = await OpenAccountAsync(100);
        var orders = await PlaceOrdersAsync(20, account);
        await WaitForEndAsync(orders);
        for (var i = 0; i < 2; i++)
        {
            await postgres.StopAsync(Signal.Int);
            await Task.Delay(TimeSpan.FromSeconds(1));
            await postgres.StartAsync();
            for (var call = 0; call < 5; call++)
            {
                Assert.That(() => GetAccountAsync(account), Throws.Nothing);
                Assert.That(() => GetOrderAsync(orders[0]), Throws.Nothing);
                orders = [.. orders, await PlaceOrderAsync(account, 1)];
            }
        }

        await AssertConfirmedAsync(orders);
        await AuditAsync();
    }
}
