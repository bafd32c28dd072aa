using Accounts.V1;
using Orders.V1;
using Saga.Servers;
using Spectre.Console;

namespace Saga.Services;

/// <summary>Demonstrates the saga with three orders: a confirmed, a rejected and a compensated one.</summary>
/// <param name="orders">A client of Order.</param>
/// <param name="accounts">A client of Account.</param>
/// <param name="pauseAccounts">Pauses every process of Account and returns the means, for the output.</param>
/// <param name="resumeAccounts">Resumes them and returns the means.</param>
/// <param name="console">The output.</param>
/// <param name="cancellationToken">Cancels the demonstration.</param>
public sealed class ThreeOrders(OrderService.OrderServiceClient orders, AccountService.AccountServiceClient accounts,
    Func<Task<string>> pauseAccounts, Func<Task<string>> resumeAccounts, IAnsiConsole console,
        CancellationToken cancellationToken)
{
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    /// <summary>Places the orders and prints each step.</summary>
    /// <returns>Whether each order reached its expected status.</returns>
    public async Task<bool> RunAsync()
    {
        var account = await accounts.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" },
            cancellationToken: cancellationToken);
        await accounts.DepositAsync(new DepositRequest { AccountId = account.AccountId, Amount = Euros.Of(100) },
            cancellationToken: cancellationToken);
        console.MarkupLine($"account [cyan]{account.AccountId}[/] opened, 100 EUR deposited");

        var first = await PlaceAsync(account.AccountId, 30, "1. an order within the account's balance");
        var confirmed = await WaitForEndAsync(first, OrderStatus.Confirmed);

        var second = await PlaceAsync(account.AccountId, 500, "2. an order that exceeds the balance");
        var rejected = await WaitForEndAsync(second, OrderStatus.Rejected);

        console.MarkupLineInterpolated($"[grey]   the Account service is paused ({await pauseAccounts()})[/]");
        var third = await PlaceAsync(account.AccountId, 20, "3. an order that Account does not answer in time");
        try
        {
            await WaitForAsync(third, x => x.Status is OrderStatus.Cancelling, "time out");
            console.MarkupLine("   the reservation timed out: [yellow]CANCELLING[/], release of the funds requested");
        }
        finally
        {
            console.MarkupLineInterpolated($"[grey]   the Account service is resumed ({await resumeAccounts()})[/]");
        }

        var compensated = await WaitForEndAsync(third, OrderStatus.Cancelled);

        Account after = account;
        await Wait.UntilAsync(async () =>
        {
            after = await accounts.GetAccountAsync(new GetAccountRequest { AccountId = account.AccountId },
                cancellationToken: cancellationToken);
            return after.Captured.Units == 30 && after.Held.Units == 0;
        }, MaxWait, () => $"30 EUR to be captured and nothing held: {after}", cancellationToken);
        console.MarkupLine($"account: [green]{after.Available.Units}[/] EUR available, {after.Held.Units} held, "
            + $"{after.Captured.Units} captured of 100 deposited");
        return confirmed && rejected && compensated && after.Available.Units == 70;
    }

    async Task<string> PlaceAsync(string accountId, long euros, string title)
    {
        console.MarkupLine($"[bold]{title}[/]");
        var created = await orders.CreateOrderAsync(new CreateOrderRequest
        {
            AccountId = accountId,
            Items = { new OrderItem { Sku = "book", Quantity = 1, UnitPrice = Euros.Of(euros) } },
        }, cancellationToken: cancellationToken);
        console.MarkupLine($"   order [cyan]{created.OrderId}[/] over {euros} EUR: PENDING");
        return created.OrderId;
    }

    async Task<bool> WaitForEndAsync(string orderId, OrderStatus expected)
    {
        var order = await WaitForAsync(orderId, x => x.Status.IsTerminal(), "end");
        var colour = order.Status == expected ? "green" : "red";
        var reason = order.Reason == OrderReason.Unspecified ? "" : $" ({Name(order.Reason)})";
        var duration = order.UpdateTime.ToDateTime() - order.CreateTime.ToDateTime();
        console.MarkupLine($"   [{colour}]{Name(order.Status)}[/]{reason} after {duration.TotalMilliseconds:F0} ms");
        return order.Status == expected;
    }

    async Task<Order> WaitForAsync(string orderId, Func<Order, bool> condition, string expected)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(MaxWait);
        using var watch = orders.WatchOrder(new WatchOrderRequest { OrderId = orderId },
            cancellationToken: timeout.Token);
        while (await watch.ResponseStream.MoveNext(timeout.Token))
            if (condition(watch.ResponseStream.Current))
                return watch.ResponseStream.Current;
        throw new InvalidOperationException($"order {orderId} did not {expected} in time");
    }

    static string Name(OrderStatus status) => status.ToString().ToUpperInvariant();

    static string Name(OrderReason reason) =>
        string.Concat(reason.ToString().Select((c, i) => i > 0 && char.IsUpper(c) ? $"_{c}" : $"{c}"))
            .ToUpperInvariant();
}
