using Accounts.V1;
using Google.Rpc;
using Grpc.Core;
using Npgsql;
using Orders.V1;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.Support;
using Money = Google.Type.Money;

namespace Saga.Tests.EndToEnd;

/// <summary>
/// Runs both services as processes on real servers, and provides the calls and waits that the tests share.
/// </summary>
public abstract class SystemFixture
{
    protected static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    /// <summary>
    /// The reservation timeout of the services; longer than any test, also on a machine that is busy, unless its orders
    /// have to time out.
    /// </summary>
    protected virtual TimeSpan ReservationTimeout => TimeSpan.FromMinutes(10);

    protected OrderSystem System { get; private set; } = null!;

    protected OrderService.OrderServiceClient Orders => System.OrderClient;

    protected AccountService.AccountServiceClient Accounts => System.AccountClient;

    protected virtual OrderSystemOptions Options => new();

    protected virtual IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>();

    /// <summary>Whether the databases are copies, whose owner is not the one of their tables.</summary>
    protected virtual bool CopiesDatabases => Options is { PrepareAsync: null, RunAsOwner: false };

    [OneTimeSetUp]
    public async Task StartAsync() => System = await OrderSystem.StartAsync(await TestServers.GetAsync(), Options with
    {
        Suffix = TestServers.NewName("_e2e"),
        CopyOf = CopiesDatabases ? await TestServers.GetMigratedAsync() : null,
        Settings = new Dictionary<string, string>(Settings)
        {
            ["Saga__ReservationTimeout"] = ReservationTimeout.ToString("c"),
            ["DOTNET_TC_CallCounting"] = "0", // these services run too shortly to gain from compiling anything twice
        },
    });

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (System == null!)
            return; // its start has failed
        if (TestContext.CurrentContext.Result.FailCount > 0)
            foreach (var replica in System.Orders.Concat(System.Accounts))
            {
                var lines = File.ReadLines(replica.LogFile).TakeLast(60);
                await TestContext.Progress.WriteLineAsync($"{replica.Name}:\n{string.Join('\n', lines)}");
            }

        await System.DisposeAsync();
    }

    /// <summary>Asserts all invariants once no order is open and no message is pending.</summary>
    protected async Task AuditAsync()
    {
        var report = await Auditor.Of(System).AuditAsync(MaxWait, default);
        Assert.That(report.Violations, Is.Empty);
    }

    /// <summary>Returns a server that the test may stop; the test is ignored if the servers were given to it.</summary>
    protected static IStoppable Stoppable(object server) => server as IStoppable
        ?? throw new IgnoreException("the test needs a server that it may stop");

    /// <summary>Executes a statement in the database of a service, bypassing the service.</summary>
    protected async Task ExecuteAsync(string database, string sql)
    {
        await using var source = NpgsqlDataSource.Create(System.Servers.Postgres.Admin(database));
        await using var command = source.CreateCommand(sql);
        command.CommandTimeout = 600; // for millions of rows
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Holds the 10 EUR of an account for an order, bypassing Account.</summary>
    protected Task HoldAllFundsAsync(string accountId, Guid orderId, string status) =>
        ExecuteAsync(System.AccountDatabase, $"""
            update accounts set available = 0, held = 10 where account_id = '{accountId}';
            insert into reservations (order_id, account_id, amount, currency, status, create_time, update_time)
            values ('{orderId}', '{accountId}', 10, 'EUR', '{status}', now(), now());
            insert into ledger_entries
                (account_id, order_id, kind, amount, available_after, held_after, captured_after, create_time)
            values ('{accountId}', '{orderId}', 'Hold', 10, 0, 10, 0, now());
            """);

    /// <summary>Kills a replica, starts it, and waits until it is ready.</summary>
    /// <param name="replica">The replica.</param>
    /// <param name="settings">Additional environment variables for this start only.</param>
    protected static async Task RestartAsync(ServiceReplica replica,
        IReadOnlyDictionary<string, string>? settings = null)
    {
        await replica.KillAsync();
        replica.Start(settings);
        await replica.WaitUntilReadyAsync();
    }

    /// <summary>Reads a number from the database of a service, bypassing the service.</summary>
    protected async Task<long> CountAsync(string database, string sql)
    {
        await using var source = NpgsqlDataSource.Create(System.Servers.Postgres.Admin(database));
        await using var command = source.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Counts the messages that wait in a queue; 0 if it does not exist.</summary>
    protected async Task<uint> CountMessagesAsync(string queue)
    {
        var factory = new ConnectionFactory { Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        try
        {
            return await channel.MessageCountAsync(queue);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return 0;
        }
    }

    protected async Task<string> OpenAccountAsync(long deposit, string currency = "EUR")
    {
        var account = await Accounts.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = currency });
        if (deposit > 0)
            await Accounts.DepositAsync(new DepositRequest
            {
                AccountId = account.AccountId,
                Amount = Money(deposit, currency),
            });
        return account.AccountId;
    }

    protected static CreateOrderRequest NewOrder(
        string accountId, long price, string currency = "EUR", string requestId = "") =>
        new()
        {
            AccountId = accountId,
            RequestId = requestId,
            Items = { new OrderItem { Sku = "book", Quantity = 1, UnitPrice = Money(price, currency) } },
        };

    protected async Task<string> PlaceOrderAsync(string accountId, long price, string currency = "EUR") =>
        (await Orders.CreateOrderAsync(NewOrder(accountId, price, currency))).OrderId;

    protected async Task<Order> GetOrderAsync(string orderId) =>
        await Orders.GetOrderAsync(new GetOrderRequest { OrderId = orderId });

    protected async Task<Account> GetAccountAsync(string accountId) =>
        await Accounts.GetAccountAsync(new GetAccountRequest { AccountId = accountId });

    /// <summary>Waits until the order has a final status.</summary>
    protected Task<Order> WaitForEndAsync(string orderId) => WaitForOrderAsync(orderId, x => x.Status.IsTerminal());

    /// <summary>Waits until all orders have a final status.</summary>
    protected Task<Order[]> WaitForEndAsync(IEnumerable<string> orderIds) =>
        Task.WhenAll(orderIds.Select(WaitForEndAsync));

    /// <summary>Waits until all orders are confirmed, and fails if one ends with another status.</summary>
    protected async Task AssertConfirmedAsync(params IEnumerable<string> orderIds) => Assert.That(
        await WaitForEndAsync(orderIds), Has.All.Property(nameof(Order.Status)).EqualTo(OrderStatus.Confirmed));

    /// <summary>Places orders concurrently.</summary>
    protected Task<string[]> PlaceOrdersAsync(int count, string accountId, long price = 1) =>
        Task.WhenAll(Enumerable.Range(0, count).Select(_ => PlaceOrderAsync(accountId, price)));

    protected async Task<Order> WaitForOrderAsync(string orderId, Func<Order, bool> condition)
    {
        Order order = new();
        await Wait.UntilAsync(async () => condition(order = await RetryAsync(() => GetOrderAsync(orderId))),
            MaxWait, () => $"order {orderId}: {order}");
        return order;
    }

    protected Task WaitForBalancesAsync(string accountId, long available, long held, long captured)
    {
        var account = new Account();
        return Wait.UntilAsync(async () =>
        {
            account = await RetryAsync(() => GetAccountAsync(accountId));
            return (account.Available.Units, account.Held.Units, account.Captured.Units) == (available, held, captured);
        }, MaxWait, () => $"{available} available, {held} held, {captured} captured: {account}");
    }

    protected Task WaitUntilSettledAsync(params string[] ids) => Wait.UntilAsync(async () => await CountAsync(
        System.OrderDatabase, "select count(*) from orders where resend_time is null and order_id in "
        + $"('{string.Join("', '", ids)}')") == ids.Length, MaxWait, () => "the funds to be captured");

    /// <summary>Expects a call to fail with a status.</summary>
    protected static NUnit.Framework.Constraints.IResolveConstraint ThrowsStatus(StatusCode status) =>
        Throws.TypeOf<RpcException>().With.Property(nameof(RpcException.StatusCode)).EqualTo(status);

    /// <summary>Waits until Account keeps the messages for a locked row apart.</summary>
    protected Task WaitForQuarantineAsync() => Wait.UntilAsync(async () =>
        (await Scrape.ReadAsync(System.Accounts[0])).Sum("messaging_quarantine_rows") > 0, MaxWait,
        () => "a quarantined row");

    /// <summary>Repeats a call until it is rejected because the service is overloaded.</summary>
    protected static async Task<RpcException> UntilRejectedAsync(Func<Task> call)
    {
        RpcException? rejection = null;
        await Wait.UntilAsync(async () =>
        {
            try
            {
                await call();
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
            {
                rejection = e;
            }

            return rejection != null;
        }, MaxWait, () => "calls to be rejected");
        return rejection!;
    }

    /// <summary>Retries a call while the service is unavailable.</summary>
    protected static async Task<T> RetryAsync<T>(Func<Task<T>> call)
    {
        var end = DateTime.UtcNow + MaxWait;
        while (true)
            try
            {
                return await call();
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.Internal
                or StatusCode.Cancelled or StatusCode.Aborted or StatusCode.ResourceExhausted
                && DateTime.UtcNow < end)
            {
                await Task.Delay(100);
            }
    }

    /// <summary>Retries a rejected call after the delay in its RetryInfo.</summary>
    protected static async Task<T> UntilAdmittedAsync<T>(Func<Task<T>> call)
    {
        var end = DateTime.UtcNow + MaxWait;
        while (true)
            try
            {
                return await call();
            }
            catch (RpcException e) when (DateTime.UtcNow < end && e.GetRpcStatus()?.GetDetail<RetryInfo>() is { } retry)
            {
                await Task.Delay(retry.RetryDelay.ToTimeSpan());
            }
    }

    protected static Money Money(long units, string currency = "EUR") =>
        new() { CurrencyCode = currency, Units = units };
}
