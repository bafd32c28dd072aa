using Grpc.Core;
using Saga.Servers;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_the_system_is_overloaded : SystemFixture
{
    const int MaxOpen = 1000; // more than any machine completes between two snapshots
    const int MaxOpenInOverload = 10;
    const int Burst = 100;
    const int Clients = 200; // more concurrent calls than MaxOpenInOverload, however fast orders complete
    static readonly TimeSpan LongerThanBurst = TimeSpan.FromSeconds(7);

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Admission__MaxOpenOrders"] = $"{MaxOpen}",
        ["Admission__MaxStandingOrders"] = $"{MaxOpenInOverload}",
        ["Admission__RetryDelay"] = "00:00:00.1",
    };

    [Test]
    public async Task Should_accept_bursts_but_cap_a_sustained_queue()
    {
        var account = await OpenAccountAsync(1_000_000);
        await BurstAsync(account);

        // More clients than the cap of a sustained queue call without a pause, until the cap rejects one of them.
        var rejection = "";
        using var end = new CancellationTokenSource(MaxWait);
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async _ =>
        {
            while (!IsCapped(Volatile.Read(ref rejection)) && !end.IsCancellationRequested)
                try
                {
                    await PlaceOrderAsync(account, 1);
                }
                catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
                {
                    Volatile.Write(ref rejection, e.Status.Detail);
                    await Task.Delay(10);
                }
        }));
        Assert.That(end.IsCancellationRequested, Is.False, rejection);

        await Wait.UntilAsync(async () =>
        {
            await Task.Delay(TimeSpan.FromSeconds(2)); // each rejection extends the overload
            try
            {
                await BurstAsync(account);
                return true;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
            {
                return false;
            }
        }, MaxWait, () => "a burst to be accepted again");
        await AuditAsync();
    }

    [Test]
    public async Task Should_not_cap_the_queue_while_no_order_completes()
    {
        var account = await OpenAccountAsync(1000);
        await System.Accounts[0].KillAsync();
        var before = await PlaceOrdersAsync(Burst, account);
        List<string> after = [];
        for (var end = DateTime.UtcNow + LongerThanBurst; DateTime.UtcNow < end; await Task.Delay(300))
            after.Add(await PlaceOrderAsync(account, 1));
        System.Accounts[0].Start();
        await System.Accounts[0].WaitUntilReadyAsync();
        await AssertConfirmedAsync(before.Concat(after));
        await AuditAsync();
    }

    async Task BurstAsync(string account) => await AssertConfirmedAsync(await PlaceOrdersAsync(Burst, account));

    static bool IsCapped(string rejection) =>
        rejection.StartsWith($"{MaxOpenInOverload} orders are under way", StringComparison.Ordinal);
}
