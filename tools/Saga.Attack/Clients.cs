using Accounts.V1;
using Grpc.Core;
using Orders.V1;
using Saga.Services;

namespace Saga.Attack;

/// <summary>
/// Open-loop clients: orders on time whatever the answers, on few rich and many poor accounts (Zipf), some given up,
/// some requests repeated, deposits and reads in between.
/// </summary>
sealed class Clients(OrderSystem system, History history, Random random)
{
    const int AccountCount = 60;
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(8);

    readonly string[] _accounts = new string[AccountCount];
    readonly List<CreateOrderRequest> _requests = [];
    readonly List<DepositRequest> _deposits = [];
    readonly List<string> _orders = [];
    readonly List<Task> _calls = [];

    /// <summary>How many orders were asked for.</summary>
    public int Asked => _requests.Count;

    public async Task OpenAsync()
    {
        for (var i = 0; i < AccountCount; i++)
        {
            _accounts[i] = (await system.AccountClient.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" })).AccountId;
            await DepositAsync(NewDeposit(_accounts[i], i % 4 == 3 ? 50 : 100_000)); // every fourth soon has too little
        }
    }

    /// <summary>Places orders at a rate until the time is over.</summary>
    public async Task RunAsync(double rate, TimeSpan time)
    {
        var start = history.Now;
        for (var i = 0; history.Now - start < time.TotalSeconds; i++)
        {
            var early = start + i / rate - history.Now;
            if (early > 0)
                await Task.Delay(TimeSpan.FromSeconds(early));
            _calls.RemoveAll(x => x.IsCompletedSuccessfully);
            _calls.Add(Next());
        }

        await Task.WhenAll(_calls);
    }

    Task Next()
    {
        var order = new OrderService.OrderServiceClient(system.Orders[random.Next(system.Orders.Count)].Channel);
        lock (_orders)
            switch (random.Next(100))
            {
                case < 5 when _requests.Count > 0:
                    return CreateAsync(order, _requests[random.Next(_requests.Count)]);
                case < 9 when _orders.Count > 0:
                    return CancelAsync(order, _orders[^random.Next(1, Math.Min(_orders.Count, 20) + 1)]);
                case < 10 when _deposits.Count > 0:
                    return DepositAsync(_deposits[random.Next(_deposits.Count)]);
                case < 13:
                    var deposit = NewDeposit(_accounts[Zipf()], random.Next(1, 20));
                    _deposits.Add(deposit);
                    return DepositAsync(deposit);
                case < 20 when _orders.Count > 0:
                    return ReadAsync(order, _orders[random.Next(_orders.Count)]);
                default:
                    var request = new CreateOrderRequest
                    {
                        AccountId = _accounts[Zipf()],
                        RequestId = Guid.NewGuid().ToString(),
                        Items = { new OrderItem { Sku = "attack", Quantity = 1, UnitPrice = Euros.Of(random.Next(1, 30)) } },
                    };
                    _requests.Add(request);
                    return CreateAsync(order, request);
            }
    }

    /// <summary>The n-th account is chosen in proportion to 1/n.</summary>
    int Zipf() => Math.Min(AccountCount - 1, (int)Math.Pow(AccountCount + 1, random.NextDouble()) - 1);

    /// <summary>Places an order and waits for its end; how long that took, or null.</summary>
    /// <param name="patience">How long it waits.</param>
    /// <param name="only">The replica of Order that is asked; else all in turn.</param>
    public async Task<TimeSpan?> ProbeAsync(TimeSpan patience, ServiceReplica? only = null)
    {
        var start = history.Now;
        var request = new CreateOrderRequest { AccountId = _accounts[0], RequestId = Guid.NewGuid().ToString(), Items = { new OrderItem { Sku = "probe", Quantity = 1, UnitPrice = Euros.Of(1) } } };
        lock (_orders)
            _requests.Add(request);
        var asked = new Event(start, "create", Answer.Unknown) { RequestId = request.RequestId, AccountId = request.AccountId, Amount = 1 };
        history.Add(asked);
        for (var i = 0; history.Now - start < patience.TotalSeconds; i++)
        {
            var order = new OrderService.OrderServiceClient((only ?? system.Orders[i % system.Orders.Count]).Channel);
            try
            {
                var id = (await order.CreateOrderAsync(request, deadline: DateTime.UtcNow.AddSeconds(2))).OrderId;
                history.Add(asked with { At = history.Now, Answer = Answer.Ok, OrderId = id });
                while (history.Now - start < patience.TotalSeconds)
                {
                    if ((await order.GetOrderAsync(new() { OrderId = id }, deadline: DateTime.UtcNow.AddSeconds(2))).Status is not (OrderStatus.Pending or OrderStatus.Cancelling))
                        return TimeSpan.FromSeconds(history.Now - start);
                    await Task.Delay(50);
                }
            }
            catch (RpcException)
            {
                await Task.Delay(100); // the fault still has its effect
            }
        }

        return null;
    }

    Task CreateAsync(OrderService.OrderServiceClient client, CreateOrderRequest request) => RecordAsync(async () =>
    {
        var id = (await client.CreateOrderAsync(request, deadline: DateTime.UtcNow + Deadline)).OrderId;
        lock (_orders)
            _orders.Add(id);
        return new Event(0, "create", Answer.Ok) { OrderId = id };
    }, new Event(0, "create", Answer.Unknown) { RequestId = request.RequestId, AccountId = request.AccountId, Amount = request.Items[0].UnitPrice.Units });

    Task CancelAsync(OrderService.OrderServiceClient client, string id) => RecordAsync(async () =>
        new Event(0, "cancel", Answer.Ok) { Status = (await client.CancelOrderAsync(new CancelOrderRequest { OrderId = id }, deadline: DateTime.UtcNow + Deadline)).Status.ToString() },
        new Event(0, "cancel", Answer.Unknown) { OrderId = id });

    Task ReadAsync(OrderService.OrderServiceClient client, string id) => RecordAsync(async () =>
        new Event(0, "read", Answer.Ok) { Status = (await client.GetOrderAsync(new GetOrderRequest { OrderId = id }, deadline: DateTime.UtcNow + Deadline)).Status.ToString() },
        new Event(0, "read", Answer.Unknown) { OrderId = id });

    static DepositRequest NewDeposit(string account, long amount) =>
        new() { AccountId = account, Amount = Euros.Of(amount), RequestId = Guid.NewGuid().ToString() };

    Task DepositAsync(DepositRequest request)
    {
        var client = new AccountService.AccountServiceClient(system.Accounts[random.Next(system.Accounts.Count)].Channel);
        return RecordAsync(async () =>
        {
            await client.DepositAsync(request, deadline: DateTime.UtcNow + Deadline);
            return new Event(0, "deposit", Answer.Ok);
        }, new Event(0, "deposit", Answer.Unknown) { RequestId = request.RequestId, AccountId = request.AccountId, Amount = request.Amount.Units });
    }

    async Task RecordAsync(Func<Task<Event>> call, Event request)
    {
        var at = history.Now;
        try
        {
            var ok = await call();
            history.Add(request with { At = at, Answer = Answer.Ok, OrderId = ok.OrderId ?? request.OrderId, Status = ok.Status });
        }
        catch (RpcException e)
        {
            // Only these say that nothing was done; all others leave it open.
            var refused = e.StatusCode is StatusCode.FailedPrecondition or StatusCode.InvalidArgument or StatusCode.NotFound
                or StatusCode.AlreadyExists or StatusCode.ResourceExhausted;
            history.Add(request with { At = at, Answer = refused ? Answer.Failed : Answer.Unknown, Detail = $"{e.StatusCode}: {e.Status.Detail}" });
        }
    }
}
