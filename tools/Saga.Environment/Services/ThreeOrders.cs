using Accounts.V1;
using Orders.V1;
using Saga.Servers;
using Spectre.Console;

namespace Saga.Services;

/// <summary>Places the three orders that show what the system does: one paid, one refused, one compensated.</summary>
/// <param name="orders">Order.</param>
/// <param name="accounts">Account.</param>
/// <param name="standStill">Makes every process of Account stand still, and says how.</param>
/// <param name="goOn">Lets them go on, and says how.</param>
/// <param name="console">Where each step is told.</param>
/// <param name="cancellationToken">Gives up.</param>
public sealed class ThreeOrders(OrderService.OrderServiceClient orders, AccountService.AccountServiceClient accounts,
    Func<Task<string>> standStill, Func<Task<string>> goOn, IAnsiConsole console, CancellationToken cancellationToken)
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Places them, and says each step.</summary>
    /// <returns>True if each ended as it should.</returns>
    public async Task<bool> RunAsync()
    {
        var account = await accounts.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" }, cancellationToken: cancellationToken);
        await accounts.DepositAsync(new DepositRequest { AccountId = account.AccountId, Amount = Euros.Of(100) }, cancellationToken: cancellationToken);
        console.MarkupLine($"account [cyan]{account.AccountId}[/] opened, 100 EUR deposited");

        var first = await PlaceAsync(account.AccountId, 30, "1. an order that the account can pay");
        var paid = await EndAsync(first, OrderStatus.Confirmed);

        var second = await PlaceAsync(account.AccountId, 500, "2. an order that it cannot pay");
        var refused = await EndAsync(second, OrderStatus.Rejected);

        console.MarkupLineInterpolated($"[grey]   the Account service stands still now ({await standStill()})[/]");
        var third = await PlaceAsync(account.AccountId, 20, "3. an order that nobody answers");
        try
        {
            await WaitForAsync(third, x => x.Status is OrderStatus.Cancelling, "be given up");
            console.MarkupLine("   its timeout has run out: [yellow]CANCELLING[/], the release of its funds is on the way");
        }
        finally
        {
            console.MarkupLineInterpolated($"[grey]   the Account service goes on ({await goOn()})[/]");
        }

        var compensated = await EndAsync(third, OrderStatus.Cancelled);

        Account after = account;
        await Wait.UntilAsync(async () =>
        {
            after = await accounts.GetAccountAsync(new GetAccountRequest { AccountId = account.AccountId }, cancellationToken: cancellationToken);
            return after.Captured.Units == 30 && after.Held.Units == 0;
        }, Patience, () => $"30 EUR to be captured and nothing held: {after}", cancellationToken);
        console.MarkupLine($"account: [green]{after.Available.Units}[/] EUR available, {after.Held.Units} held, {after.Captured.Units} captured of 100 deposited");
        return paid && refused && compensated && after.Available.Units == 70;
    }

    async Task<string> PlaceAsync(string accountId, long euros, string what)
    {
        console.MarkupLine($"[bold]{what}[/]");
        var answer = await orders.CreateOrderAsync(new CreateOrderRequest
        {
            AccountId = accountId,
            Items = { new OrderItem { Sku = "book", Quantity = 1, UnitPrice = Euros.Of(euros) } },
        }, cancellationToken: cancellationToken);
        console.MarkupLine($"   order [cyan]{answer.OrderId}[/] over {euros} EUR: PENDING");
        return answer.OrderId;
    }

    async Task<bool> EndAsync(string orderId, OrderStatus expected)
    {
        var order = await WaitForAsync(orderId, x => x.Status is OrderStatus.Confirmed or OrderStatus.Rejected or OrderStatus.Cancelled, "end");
        var colour = order.Status == expected ? "green" : "red";
        var reason = order.Reason == OrderReason.Unspecified ? "" : $" ({Name(order.Reason)})";
        console.MarkupLine($"   [{colour}]{Name(order.Status)}[/]{reason} after {(order.UpdateTime.ToDateTime() - order.CreateTime.ToDateTime()).TotalMilliseconds:F0} ms");
        return order.Status == expected;
    }

    async Task<Order> WaitForAsync(string orderId, Func<Order, bool> condition, string what)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(Patience);
        using var watch = orders.WatchOrder(new WatchOrderRequest { OrderId = orderId }, cancellationToken: timeout.Token);
        while (await watch.ResponseStream.MoveNext(timeout.Token))
            if (condition(watch.ResponseStream.Current))
                return watch.ResponseStream.Current;
        throw new InvalidOperationException($"order {orderId} did not {what}");
    }

    static string Name(OrderStatus status) => status.ToString().ToUpperInvariant();

    static string Name(OrderReason reason) =>
        string.Concat(reason.ToString().Select((c, i) => i > 0 && char.IsUpper(c) ? $"_{c}" : $"{c}")).ToUpperInvariant();
}
