using Accounts.V1;
using Grpc.Core;
using Orders.V1;
using Saga.Servers;
using Saga.Services;
using Spectre.Console;

namespace Saga.Load.Compose;

/// <summary>
/// Shows that what docker compose has started works: the three orders, then many with a replica of each service killed
/// in the middle, then the audit. Speaks only to published ports.
/// </summary>
sealed class ComposeSmoke(int orders)
{
    const long Deposit = 1_000_000, Accounts = 20;
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var stack = await ComposeStack.FindAsync(cancellationToken);
        var console = AnsiConsole.Console;
        if (Console.IsOutputRedirected)
            console.Profile.Width = 500;
        var orderChannels = stack.Connect("order-service");
        var accountChannels = stack.Connect("account-service");
        if (orderChannels.Count == 0 || accountChannels.Count == 0)
            throw new InvalidOperationException("no containers of order-service and account-service: docker compose up --detach --wait");

        async Task<string> OnAccounts(string verb)
        {
            await ComposeStack.OnEachAsync(verb, stack.Names("account-service"), cancellationToken);
            return $"docker {verb}";
        }

        var account = new AccountService.AccountServiceClient(accountChannels[0]);
        var three = new ThreeOrders(new OrderService.OrderServiceClient(orderChannels[0]), account,
            () => OnAccounts("pause"), () => OnAccounts("unpause"), console, cancellationToken);
        if (!await three.RunAsync())
            return 1;

        var outcomes = await ManyAsync(stack, [.. orderChannels.Select(x => new OrderService.OrderServiceClient(x))], account, console, cancellationToken);
        console.MarkupLineInterpolated($"{outcomes.Sum(x => x.Value)} orders ended: {string.Join(", ", outcomes.Select(x => $"{x.Value} {x.Key.ToString().ToUpperInvariant()}"))}");
        var report = await stack.AuditAsync(cancellationToken);
        report.Print();
        return report.Violations.Count == 0 ? 0 : 1;
    }

    async Task<Dictionary<OrderStatus, int>> ManyAsync(ComposeStack stack, OrderService.OrderServiceClient[] clients,
        AccountService.AccountServiceClient account, IAnsiConsole console, CancellationToken cancellationToken)
    {
        var accounts = new List<string>();
        for (var i = 0; i < Accounts; i++)
        {
            var opened = await account.OpenAccountAsync(new() { CurrencyCode = "EUR" }, cancellationToken: cancellationToken);
            await account.DepositAsync(new() { AccountId = opened.AccountId, Amount = Euros.Of(Deposit) }, cancellationToken: cancellationToken);
            accounts.Add(opened.AccountId);
        }

        // Each service's last replica, if it has more than one, so that the others carry on.
        string[] killed = [.. new[] { "order-service", "account-service" }.Select(stack.Names).Where(x => x.Count > 1).Select(x => x[^1])];
        var placed = 0;
        var killing = Task.CompletedTask;
        var ids = await Task.WhenAll(Enumerable.Range(0, orders).Select(async i =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10.0 * i), cancellationToken);
            if (Interlocked.Increment(ref placed) == orders / 2 && killed.Length > 0)
            {
                console.MarkupLineInterpolated($"[grey]killing {string.Join(" and ", killed)} in the middle[/]");
                killing = ComposeStack.OnEachAsync("kill", killed, cancellationToken);
            }

            return await PlaceAsync(clients, i, accounts[i % accounts.Count], cancellationToken);
        }));
        await killing;
        if (killed.Length > 0)
            await ComposeStack.OnEachAsync("start", killed, cancellationToken);
        var ends = await Task.WhenAll(ids.Select(id => EndAsync(clients[0], id, cancellationToken)));
        return ends.GroupBy(x => x).ToDictionary(x => x.Key, x => x.Count());
    }

    /// <summary>Asks one replica after the other, by the same request id, until one has answered.</summary>
    static async Task<string> PlaceAsync(OrderService.OrderServiceClient[] clients, int i, string account, CancellationToken cancellationToken)
    {
        var request = new CreateOrderRequest
        {
            AccountId = account,
            RequestId = Guid.NewGuid().ToString(),
            Items = { new OrderItem { Sku = "book", Quantity = 1, UnitPrice = Euros.Of(1) } },
        };
        var end = DateTime.UtcNow + Patience;
        for (var attempt = 0; ; attempt++)
            try
            {
                return (await clients[(i + attempt) % clients.Length].CreateOrderAsync(request, deadline: DateTime.UtcNow.AddSeconds(10),
                    cancellationToken: cancellationToken)).OrderId;
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Internal or StatusCode.Aborted && DateTime.UtcNow < end)
            {
                await Task.Delay(100, cancellationToken);
            }
    }

    static async Task<OrderStatus> EndAsync(OrderService.OrderServiceClient client, string id, CancellationToken cancellationToken)
    {
        var order = new Order();
        await Wait.UntilAsync(async () =>
        {
            order = await client.GetOrderAsync(new GetOrderRequest { OrderId = id }, cancellationToken: cancellationToken);
            return order.Status.IsTerminal();
        }, Patience, () => $"order {id} to end, which is {order.Status}", cancellationToken, pauseMilliseconds: 200);
        return order.Status;
    }
}
