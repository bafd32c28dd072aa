using Accounts.V1;
using Orders.V1;
using Saga.Services;

namespace Saga.Attack;

/// <summary>
/// Open-loop clients: they place orders at a rate that does not depend on the responses, on accounts chosen by Zipf's
/// law. They also cancel and read orders, deposit, and repeat earlier requests. The requests arrive in bursts, so that
/// messages wait together and leave in batches.
/// </summary>
sealed class AttackClients(OrderSystem system, History history, Random random)
{
    const int AccountCount = 60;
    const int BurstSize = 15;

    readonly string[] _accounts = new string[AccountCount];
    readonly RecordedCalls _calls = new(system, history, random);
    readonly List<CreateOrderRequest> _requests = [];
    readonly List<DepositRequest> _deposits = [];
    readonly List<string> _orders = [];

    /// <summary>Opens the accounts; every fourth has funds for only a few orders.</summary>
    public async Task OpenAccountsAsync()
    {
        for (var i = 0; i < AccountCount; i++)
        {
            var opened = await system.AccountClient.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" });
            _accounts[i] = opened.AccountId;
            await _calls.DepositAsync(NewDeposit(_accounts[i], i % 4 == 3 ? 50 : 100_000));
        }
    }

    /// <summary>Sends requests at a rate until the end, and waits for the last response.</summary>
    public async Task RunAsync(double rate, CancellationToken end)
    {
        var calls = new List<Task>();
        var start = history.Now;
        for (var i = 0; !end.IsCancellationRequested; i++)
        {
            var early = start + i / BurstSize * BurstSize / rate - history.Now;
            if (early > 0)
                await Task.Delay(TimeSpan.FromSeconds(early));
            calls.RemoveAll(x => x.IsCompletedSuccessfully);
            calls.Add(SendOneAsync());
        }

        await Task.WhenAll(calls);
    }

    /// <summary>Places an order and waits for its terminal status.</summary>
    /// <param name="timeout">The maximum duration.</param>
    /// <param name="only">The replica of Order to call; null for all in turn.</param>
    /// <returns>The time until the terminal status was read, or null.</returns>
    public Task<TimeSpan?> ProbeAsync(TimeSpan timeout, ServiceReplica? only = null)
    {
        var request = NewOrder(_accounts[0], "probe", 1);
        lock (_orders)
            _requests.Add(request);
        return _calls.ProbeAsync(request, timeout, only);
    }

    Task SendOneAsync()
    {
        var order = new OrderService.OrderServiceClient(system.Orders[random.Next(system.Orders.Count)].Channel);
        lock (_orders)
            switch (random.Next(100))
            {
                case < 5 when _requests.Count > 0:
                    return _calls.CreateAsync(order, _requests[random.Next(_requests.Count)], AddOrder);
                case < 9 when _orders.Count > 0:
                    return _calls.CancelAsync(order, _orders[^random.Next(1, Math.Min(_orders.Count, 20) + 1)]);
                case < 10 when _deposits.Count > 0:
                    return _calls.DepositAsync(_deposits[random.Next(_deposits.Count)]);
                case < 13:
                    var deposit = NewDeposit(_accounts[Zipf()], random.Next(1, 20));
                    _deposits.Add(deposit);
                    return _calls.DepositAsync(deposit);
                case < 20 when _orders.Count > 0:
                    return _calls.ReadAsync(order, _orders[random.Next(_orders.Count)]);
                default:
                    var request = NewOrder(_accounts[Zipf()], "attack", random.Next(1, 30));
                    _requests.Add(request);
                    return _calls.CreateAsync(order, request, AddOrder);
            }
    }

    void AddOrder(string id)
    {
        lock (_orders)
            _orders.Add(id);
    }

    /// <summary>An index that is n - 1 with a probability in proportion to 1/n.</summary>
    int Zipf() => Math.Min(AccountCount - 1, (int)Math.Pow(AccountCount + 1, random.NextDouble()) - 1);

    static CreateOrderRequest NewOrder(string account, string sku, long price) => new()
    {
        AccountId = account,
        RequestId = Guid.NewGuid().ToString(),
        Items = { new OrderItem { Sku = sku, Quantity = 1, UnitPrice = Euros.Of(price) } },
    };

    static DepositRequest NewDeposit(string account, long amount) =>
        new() { AccountId = account, Amount = Euros.Of(amount), RequestId = Guid.NewGuid().ToString() };
}
