using Grpc.Core;
using Orders.V1;
using Saga.Servers;

namespace Saga.Tests.EndToEnd;

[TestFixture, Category("E2E")]
public sealed class When_a_queue_stands : SystemFixture
{
    const int MaxOpen = 1000; // far from what any machine ends between two looks: these count as open
    const int MaxStanding = 10;
    const int Burst = 100;
    const int Clients = 200; // whose calls alone are more than may stand, however soon orders end
    static readonly TimeSpan LongerThanABurst = TimeSpan.FromSeconds(7);

    protected override TimeSpan ReservationTimeout => TimeSpan.FromMinutes(5);

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Admission__MaxOpenOrders"] = $"{MaxOpen}",
        ["Admission__MaxStandingOrders"] = $"{MaxStanding}",
        ["Admission__RetryDelay"] = "00:00:00.1",
    };

    [Test]
    public async Task Should_take_bursts_but_keep_no_long_queue()
    {
        var account = await OpenAsync(1_000_000);
        await BurstAsync(account);

        // More clients than may stand in the queue, who never wait: sent away for the shorter queue, in the end.
        var refusal = "";
        using var end = new CancellationTokenSource(Patience);
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async _ =>
        {
            while (!Volatile.Read(ref refusal).StartsWith($"{MaxStanding} orders are under way", StringComparison.Ordinal) && !end.IsCancellationRequested)
                try
                {
                    await PlaceAsync(account, 1);
                }
                catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
                {
                    Volatile.Write(ref refusal, e.Status.Detail);
                    await Task.Delay(10);
                }
        }));
        Assert.That(end.IsCancellationRequested, Is.False, refusal);

        await Wait.UntilAsync(async () =>
        {
            await Task.Delay(TimeSpan.FromSeconds(2)); // refusals keep the limit as it is
            try
            {
                await BurstAsync(account);
                return true;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
            {
                return false;
            }
        }, Patience, () => "a burst to be taken again");
        await AuditAsync();
    }

    [Test]
    public async Task Should_take_as_many_as_ever_while_none_end()
    {
        var account = await OpenAsync(1000);
        await System.Accounts[0].KillAsync();
        var before = await Task.WhenAll(Enumerable.Range(0, Burst).Select(_ => PlaceAsync(account, 1)));
        List<string> after = [];
        for (var end = DateTime.UtcNow + LongerThanABurst; DateTime.UtcNow < end; await Task.Delay(300))
            after.Add(await PlaceAsync(account, 1));
        System.Accounts[0].Start();
        await System.Accounts[0].WaitUntilReadyAsync();
        var orders = await Task.WhenAll(before.Concat(after).Select(EndAsync));
        Assert.That(orders, Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
        await AuditAsync();
    }

    async Task BurstAsync(string account)
    {
        var ids = await Task.WhenAll(Enumerable.Range(0, Burst).Select(_ => PlaceAsync(account, 1)));
        var orders = await Task.WhenAll(ids.Select(EndAsync));
        Assert.That(orders, Has.All.Property("Status").EqualTo(OrderStatus.Confirmed));
    }
}
