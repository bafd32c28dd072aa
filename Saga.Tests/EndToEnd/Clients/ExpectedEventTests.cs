using Accounts.V1;
using Grpc.Core;
using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

/// <summary>What clients do every day must not fill the logs.</summary>
[TestFixture, Category("E2E")]
public sealed class When_clients_repeat_and_cancel_calls : SystemFixture
{
    readonly Dictionary<string, int> _logged = [];

    IEnumerable<ServiceReplica> Replicas => System.Orders.Concat(System.Accounts);

    [SetUp]
    public void CountLines()
    {
        foreach (var replica in Replicas)
            _logged[replica.Name] = File.ReadLines(replica.LogFile).Count();
    }

    [TearDown]
    public void AssertNoStackTrace()
    {
        foreach (var replica in Replicas)
        {
            var lines = File.ReadLines(replica.LogFile).Skip(_logged[replica.Name]).ToArray();
            Assert.That(lines.Index().Where(x => x.Item.Contains("   at ", StringComparison.Ordinal))
                .Select(x => string.Join('\n', lines[Math.Max(0, x.Index - 4)..x.Index])).Take(1),
                Is.Empty, replica.Name);
        }
    }

    [Test]
    public async Task Should_log_no_stack_trace_for_repeated_requests()
    {
        var account = await OpenAccountAsync(100);
        var open = new OpenAccountRequest { CurrencyCode = "EUR", RequestId = $"{Guid.NewGuid()}" };
        var deposit = new DepositRequest { AccountId = account, Amount = Money(5), RequestId = $"{Guid.NewGuid()}" };
        var order = NewOrder(account, 1, requestId: $"{Guid.NewGuid()}");
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            await Accounts.OpenAccountAsync(open);
            await Accounts.DepositAsync(deposit);
            await Orders.CreateOrderAsync(order);
        }));
        await Accounts.OpenAccountAsync(open);
        await Accounts.DepositAsync(deposit);
        await Orders.CreateOrderAsync(order);
        Assert.That(() => Accounts.OpenAccountAsync(new() { AccountId = account, CurrencyCode = "EUR" }).ResponseAsync,
            Throws.TypeOf<RpcException>());
        await WaitForBalancesAsync(account, available: 104, held: 0, captured: 1);
    }

    [Test]
    public async Task Should_log_no_stack_trace_for_cancelled_calls()
    {
        var account = await OpenAccountAsync(100);
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            var id = await PlaceOrderAsync(account, 1);
            foreach (var _ in Enumerable.Range(0, 5))
            {
                using var watch = Orders.WatchOrder(new WatchOrderRequest { OrderId = id });
                Assert.That(await watch.ResponseStream.MoveNext(default));
            }

            using var http = System.Orders[0].NewHttpClient();
            await using (await http.GetStreamAsync($"/v1/orders/{id}:watch"))
                await Task.Delay(100);
            Assert.That(() => Orders.GetOrderAsync(new GetOrderRequest { OrderId = id },
                deadline: DateTime.UtcNow.AddMicroseconds(1)).ResponseAsync, Throws.TypeOf<RpcException>());
            using var cancelled = new CancellationTokenSource();
            var calls = Enumerable.Range(0, 50).Select(_ => Orders.CreateOrderAsync(NewOrder(account, 1),
                cancellationToken: cancelled.Token).ResponseAsync).ToList();
            await cancelled.CancelAsync();
            await Task.WhenAll(calls.Select(x => x.ContinueWith(_ => { }, TaskScheduler.Default)));
            await Task.Delay(500); // the service notices
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        await AuditAsync();
    }

    [Test]
    public async Task Should_log_no_stack_trace_for_conflicts_that_are_retried()
    {
        var account = await OpenAccountAsync(1000);
        await Task.WhenAll(Enumerable.Range(0, 200).Select(async _ =>
        {
            var id = await PlaceOrderAsync(account, 1);
            try
            {
                await Orders.CancelOrderAsync(new CancelOrderRequest { OrderId = id }); // while it is confirmed
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.FailedPrecondition or StatusCode.Aborted)
            {
                // too late
            }
        }));
        await AuditAsync();
    }
}
