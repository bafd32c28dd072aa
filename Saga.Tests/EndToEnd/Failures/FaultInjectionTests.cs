using Grpc.Core;
using Saga.Faults;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Failures;

/// <summary>Only the assembly of the fault tests can inject faults into a service; its environment cannot.</summary>
[TestFixture, Category("Long")]
public sealed class When_a_service_is_started_with_fault_settings : SystemFixture
{
    [Test]
    public async Task Should_ignore_them_without_the_startup_hook()
    {
        var replica = System.Orders[0];
        await replica.KillAsync();
        replica.Start(new Dictionary<string, string>
        {
            ["ORDERSAGA_FAULT_POINT"] = "before-commit:1",
            ["ORDERSAGA_CLOCK_OFFSET"] = "00:04:00",
        });
        await replica.WaitUntilReadyAsync();
        var account = await OpenAccountAsync(100);

        var ids = await PlaceOrdersAsync(5, account);

        var orders = await WaitForEndAsync(ids);
        await AssertConfirmedAsync(ids);
        Assert.That(orders.Select(x => x.CreateTime.ToDateTime()),
            Has.All.EqualTo(DateTime.UtcNow).Within(TimeSpan.FromMinutes(2)), "the clock of the service is correct");
        Assert.That(replica.HasExited, Is.False);
        await AuditAsync();
    }

    [Test]
    public async Task Should_kill_itself_at_its_first_order_with_the_startup_hook()
    {
        var replica = System.Orders[0];
        var account = await OpenAccountAsync(100);
        var request = NewOrder(account, 10, requestId: Guid.NewGuid().ToString());
        await replica.KillAsync();
        replica.Start(FaultSettings.KillAt("before-commit", 1));
        await replica.WaitUntilReadyAsync();
        Assert.That(replica.HasExited, Is.False, "a warm-up must not reach a fault point");

        Assert.That(() => Orders.CreateOrderAsync(request).ResponseAsync, Throws.TypeOf<RpcException>());

        await Wait.UntilAsync(() => Task.FromResult(replica.HasExited), MaxWait, () => "the process to kill itself");
        await replica.KillAsync();
        replica.Start();
        await replica.WaitUntilReadyAsync();
        var response = await RetryAsync(() => Orders.CreateOrderAsync(request).ResponseAsync);
        await AssertConfirmedAsync(response.OrderId);
        await WaitForBalancesAsync(account, available: 90, held: 0, captured: 10);
        await AuditAsync();
    }
}
