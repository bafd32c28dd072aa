using Accounts.V1;
using Grpc.Core;
using Npgsql;
using Orders.V1;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;
using Money = Google.Type.Money;

namespace Saga.Tests.EndToEnd;

/// <summary>Both services as real processes on real servers, and the words that tests speak to them.</summary>
public abstract class SystemFixture
{
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>How long a reservation may take here.</summary>
    protected virtual TimeSpan ReservationTimeout => TimeSpan.FromSeconds(3);

    protected OrderSystem System { get; private set; } = null!;

    protected OrderService.OrderServiceClient Orders => System.OrderClient;

    protected AccountService.AccountServiceClient Accounts => System.AccountClient;

    protected virtual OrderSystemOptions Options => new();

    protected virtual IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>();

    [OneTimeSetUp]
    public async Task StartAsync() => System = await OrderSystem.StartAsync(await TestServers.GetAsync(), Options with
    {
        Suffix = TestServers.NewName("_e2e"),
        Settings = new Dictionary<string, string>(Settings)
        {
            ["Saga__ReservationTimeout"] = ReservationTimeout.ToString("c"),
            ["DOTNET_TieredPGO"] = "0", // it pays after minutes, and costs at the start: here all services have just started
        },
    });

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (TestContext.CurrentContext.Result.FailCount > 0)
            foreach (var replica in System.Orders.Concat(System.Accounts))
                await TestContext.Progress.WriteLineAsync($"{replica.Name}:\n{string.Join('\n', File.ReadLines(replica.LogFile).TakeLast(60))}");
        await System.DisposeAsync();
    }

    /// <summary>The invariants, when everything is quiet.</summary>
    protected async Task AuditAsync()
    {
        var report = await Auditor.Of(System).AuditAsync(Patience, default);
        Assert.That(report.Violations, Is.Empty);
    }

    /// <summary>A server that this test may stop; the test is left out where there is none.</summary>
    protected static IStoppable Stoppable(object server) => server as IStoppable ?? throw new IgnoreException("given servers are not stopped by a test");

    /// <summary>Runs a statement in a service's database, past the service.</summary>
    protected async Task ExecuteAsync(string database, string sql)
    {
        await using var source = NpgsqlDataSource.Create(System.Servers.Postgres.Admin(database));
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Asks a service's database for a number, past the service.</summary>
    protected async Task<long> CountAsync(string database, string sql)
    {
        await using var source = NpgsqlDataSource.Create(System.Servers.Postgres.Admin(database));
        await using var command = source.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    protected async Task<string> OpenAsync(long deposit, string currency = "EUR")
    {
        var account = await Accounts.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = currency });
        if (deposit > 0)
            await Accounts.DepositAsync(new DepositRequest { AccountId = account.AccountId, Amount = Money(deposit, currency) });
        return account.AccountId;
    }

    protected static CreateOrderRequest NewOrder(string accountId, long price, string currency = "EUR", string requestId = "") => new()
    {
        AccountId = accountId,
        RequestId = requestId,
        Items = { new OrderItem { Sku = "book", Quantity = 1, UnitPrice = Money(price, currency) } },
    };

    protected async Task<string> PlaceAsync(string accountId, long price, string currency = "EUR") =>
        (await Orders.CreateOrderAsync(NewOrder(accountId, price, currency))).OrderId;

    protected async Task<Order> GetAsync(string orderId) => await Orders.GetOrderAsync(new GetOrderRequest { OrderId = orderId });

    protected async Task<Account> AccountAsync(string accountId) => await Accounts.GetAccountAsync(new GetAccountRequest { AccountId = accountId });

    protected static bool IsTerminal(OrderStatus status) => status is OrderStatus.Confirmed or OrderStatus.Rejected or OrderStatus.Cancelled;

    protected Task<Order> EndAsync(string orderId) => UntilAsync(orderId, x => IsTerminal(x.Status));

    protected async Task<Order> UntilAsync(string orderId, Func<Order, bool> condition)
    {
        Order order = new();
        await Wait.UntilAsync(async () => condition(order = await CallAsync(() => GetAsync(orderId))), Patience, () => $"order {orderId}: {order}");
        return order;
    }

    protected Task BalancesAsync(string accountId, long available, long held, long captured)
    {
        var account = new Account();
        return Wait.UntilAsync(async () =>
        {
            account = await CallAsync(() => AccountAsync(accountId));
            return (account.Available.Units, account.Held.Units, account.Captured.Units) == (available, held, captured);
        }, Patience, () => $"{available} available, {held} held, {captured} captured: {account}");
    }

    /// <summary>Calls as a client does that tries again while a service is away.</summary>
    protected static async Task<T> CallAsync<T>(Func<Task<T>> call)
    {
        var end = DateTime.UtcNow + Patience;
        while (true)
            try
            {
                return await call();
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.Internal or StatusCode.Cancelled or StatusCode.Aborted && DateTime.UtcNow < end)
            {
                await Task.Delay(100);
            }
    }

    protected static Money Money(long units, string currency = "EUR") => new() { CurrencyCode = currency, Units = units };
}
