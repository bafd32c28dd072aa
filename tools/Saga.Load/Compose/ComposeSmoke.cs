using Accounts.V1;
using Grpc.Core;
using Orders.V1;
using Saga.Servers;
using Saga.Services;
using Spectre.Console;

namespace Saga.Load;

/// <summary>
/// Checks the system that docker compose runs, by its published ports: three orders, then many orders with a replica of
/// each service killed halfway, and one node of a broker that is a cluster, then the audit.
/// </summary>
sealed class ComposeSmoke(int orders)
{
    const long Deposit = 1_000_000, Accounts = 20;
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    /// <returns>The exit code: 0 if every order ended as expected and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var stack = await ComposeStack.FindAsync(cancellationToken);
        var console = AnsiConsole.Console;
        if (Console.IsOutputRedirected)
            console.Profile.Width = 500;
        var orderChannels = stack.Connect("order-service");
        var accountChannels = stack.Connect("account-service");
        if (orderChannels.Count == 0 || accountChannels.Count == 0)
            throw new InvalidOperationException(
                "no container of order-service or account-service runs: docker compose up --detach --wait");

        async Task<string> RunOnAccounts(string verb)
        {
            await ComposeStack.OnEachAsync(verb, stack.Names("account-service"), cancellationToken);
            return $"docker {verb}";
        }

        var account = new AccountService.AccountServiceClient(accountChannels[0]);
        var three = new ThreeOrders(new OrderService.OrderServiceClient(orderChannels[0]), account,
            () => RunOnAccounts("pause"), () => RunOnAccounts("unpause"), console, cancellationToken);
        if (!await three.RunAsync())
            return 1;

        var outcomes = await PlaceManyAsync(stack,
            [.. orderChannels.Select(x => new OrderService.OrderServiceClient(x))], account, console,
            cancellationToken);
        var counts = outcomes.Select(x => $"{x.Value} {x.Key.ToString().ToUpperInvariant()}");
        console.MarkupLineInterpolated($"{outcomes.Sum(x => x.Value)} orders ended: {string.Join(", ", counts)}");
        var report = await stack.AuditAsync(cancellationToken);
        report.Print();
        return report.Violations.Count == 0 ? 0 : 1;
    }

    async Task<Dictionary<OrderStatus, int>> PlaceManyAsync(ComposeStack stack,
        OrderService.OrderServiceClient[] clients, AccountService.AccountServiceClient account, IAnsiConsole console,
        CancellationToken cancellationToken)
    {
        var accounts = new List<string>();
        for (var i = 0; i < Accounts; i++)
        {
            var opened = await account.OpenAccountAsync(new() { CurrencyCode = "EUR" },
                cancellationToken: cancellationToken);
            await account.DepositAsync(new() { AccountId = opened.AccountId, Amount = Euros.Of(Deposit) },
                cancellationToken: cancellationToken);
            accounts.Add(opened.AccountId);
        }

        // The last replica of each service with several, so that another replica keeps serving.
        string[] killed = [.. new[] { "order-service", "account-service" }
            .Select(stack.Names).Where(x => x.Count > 1).Select(x => x[^1]), .. stack.Names("rabbitmq-3")];
        var placed = 0;
        var killing = Task.CompletedTask;
        var ids = await Task.WhenAll(Enumerable.Range(0, orders).Select(async i =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10.0 * i), cancellationToken);
            if (Interlocked.Increment(ref placed) == orders / 2 && killed.Length > 0)
            {
                console.MarkupLineInterpolated($"[grey]killing {string.Join(" and ", killed)} halfway[/]");
                killing = ComposeStack.OnEachAsync("kill", killed, cancellationToken);
            }

            return await PlaceAsync(clients, i, accounts[i % accounts.Count], cancellationToken);
        }));
        await killing;
        if (killed.Length > 0)
            await ComposeStack.OnEachAsync("start", killed, cancellationToken);
        var ends = await Task.WhenAll(ids.Select(id => WaitForEndAsync(clients[0], id, cancellationToken)));
        return ends.GroupBy(x => x).ToDictionary(x => x.Key, x => x.Count());
    }

    /// <summary>Calls the replicas in turn with the same request id until one accepts the order.</summary>
    static async Task<string> PlaceAsync(OrderService.OrderServiceClient[] clients, int i, string account,
        CancellationToken cancellationToken)
    {
        var request = new CreateOrderRequest
        {
            AccountId = account,
            RequestId = Guid.NewGuid().ToString(),
            Items = { new OrderItem { Sku = "book", Quantity = 1, UnitPrice = Euros.Of(1) } },
        };
        var end = DateTime.UtcNow + MaxWait;
        for (var attempt = 0; ; attempt++)
            try
            {
                var created = await clients[(i + attempt) % clients.Length].CreateOrderAsync(request,
                    deadline: DateTime.UtcNow.AddSeconds(10), cancellationToken: cancellationToken);
                return created.OrderId;
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded
                or StatusCode.Internal or StatusCode.Aborted && DateTime.UtcNow < end)
            {
                await Task.Delay(100, cancellationToken);
            }
    }

    static async Task<OrderStatus> WaitForEndAsync(OrderService.OrderServiceClient client, string id,
        CancellationToken cancellationToken)
    {
        var order = new Order();
        await Wait.UntilAsync(async () =>
        {
            order = await client.GetOrderAsync(new GetOrderRequest { OrderId = id },
                cancellationToken: cancellationToken);
            return order.Status.IsTerminal();
        }, MaxWait, () => $"order {id} to end; it is {order.Status}", cancellationToken, pollMilliseconds: 200);
        return order.Status;
    }
}
