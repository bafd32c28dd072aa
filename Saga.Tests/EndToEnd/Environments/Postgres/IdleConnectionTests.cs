using Accounts.V1;
using Grpc.Core;
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
            Assert.That(() => WatchAsync(orders[0]), Throws.Nothing);
            orders = [.. orders, await PlaceOrderAsync(account, 1)];
        }

        await AssertConfirmedAsync(orders);
        await AuditAsync();
    }

    [Test, Category("Long")]
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
                await WatchAsync(order);
                await Task.Delay(10);
            }

            return reads;
        })).ToArray();
        for (var i = 0; i < 8 && !readers.Any(x => x.IsFaulted); i++)
        {
            await Task.Delay(1000); // a read that is repeated has ended
            await EndSessionsAsync(System.OrderDatabase);
        }

        await end.CancelAsync();
        Assert.That(await Task.WhenAll(readers), Has.All.GreaterThan(20));
        await AuditAsync();
    }

    [Test, Category("Long")]
    public async Task Should_not_fail_or_double_writes_when_the_server_ends_sessions_between_two_calls()
    {
        using var end = new CancellationTokenSource();
        var progress = new int[8];
        var writers = Enumerable.Range(0, progress.Length)
            .Select(i => Task.Run(() => WriteAsync(i % 2 == 0, () => progress[i]++, end.Token))).ToArray();
        for (var i = 0; i < 8 && !writers.Any(x => x.IsFaulted); i++)
        {
            // Every write that is repeated has ended, because a second loss would not be hidden.
            var before = progress.ToArray();
            await Wait.UntilAsync(() => Task.FromResult(writers.Any(x => x.IsFaulted)
                || progress.Zip(before, (now, then) => now - then).All(x => x >= 2)), MaxWait, () => "all to write");
            await EndSessionsAsync(System.OrderDatabase);
            await EndSessionsAsync(System.AccountDatabase);
        }

        await end.CancelAsync();
        var written = await Task.WhenAll(writers);
        await WaitForEndAsync(written.SelectMany(x => x.Orders));
        foreach (var (account, writes, unknownDeposits, placed) in written)
        {
            var listed = await Orders.ListOrdersAsync(new ListOrdersRequest { AccountId = account, PageSize = 1000 });
            Assert.That(listed.Orders.Select(x => x.OrderId), Is.EquivalentTo(placed));
            var balances = await GetAccountAsync(account);
            Assert.That(balances.Available.Units + balances.Held.Units + balances.Captured.Units,
                Is.InRange(writes - unknownDeposits, writes));
        }

        await AuditAsync();
    }

    /// <summary>
    /// Opens accounts, deposits 1 EUR in the first, and places and cancels orders of 1 EUR. A deposit without a request
    /// id whose commit was sent is the one write that may fail.
    /// </summary>
    async Task<(string Account, int Writes, int UnknownDeposits, List<string> Orders)> WriteAsync(
        bool withRequestIds, Action written, CancellationToken end)
    {
        string NewId() => withRequestIds ? $"{Guid.NewGuid()}" : "";
        var (account, orders) = (await OpenAccountAsync(0), new List<string>());
        var (writes, unknownDeposits) = (0, 0);
        for (; !end.IsCancellationRequested; writes++)
        {
            await Accounts.OpenAccountAsync(new OpenAccountRequest
            {
                AccountId = writes % 2 == 0 ? $"{Guid.NewGuid()}" : "",
                CurrencyCode = "EUR",
                RequestId = NewId(),
            });
            try
            {
                await Accounts.DepositAsync(
                    new DepositRequest { AccountId = account, Amount = Money(1), RequestId = NewId() });
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable && !withRequestIds)
            {
                unknownDeposits++;
            }

            orders.Add((await Orders.CreateOrderAsync(NewOrder(account, 1, requestId: NewId()))).OrderId);
            try
            {
                await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = orders[^1] });
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.FailedPrecondition)
            {
                // The order is confirmed or rejected already.
            }

            written();
            await Task.Delay(10, CancellationToken.None);
        }

        return (account, writes, unknownDeposits, orders);
    }

    /// <summary>Watches an order to its end.</summary>
    async Task WatchAsync(string order)
    {
        using var watch = Orders.WatchOrder(new WatchOrderRequest { OrderId = order });
        await foreach (var _ in watch.ResponseStream.ReadAllAsync())
        {
        }
    }

    Task<long> EndSessionsAsync(string database) => CountAsync(database, $"""
        select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = '{database}' and pid <> pg_backend_pid()
        """);

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
