using Grpc.Core;
using Orders.V1;
using Saga.Faults;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Failures;

[TestFixture, Category("Long")]
public sealed class When_a_service_is_killed_while_a_batch_is_partly_settled : SystemFixture
{
    const int Deposit = 100_000, Round = 100;

    [Test]
    public Task Should_capture_each_order_once_after_Account_was_killed() => KillAsync(System.Accounts[0]);

    [Test]
    public Task Should_capture_each_order_once_after_Order_was_killed() => KillAsync(System.Orders[0]);

    async Task KillAsync(ServiceReplica replica)
    {
        var account = await OpenAccountAsync(Deposit);
        await RestartAsync(replica, FaultSettings.KillAt("in-batch-settlement", 5));
        var requests = new List<CreateOrderRequest>();
        await Wait.UntilAsync(async () =>
        {
            var round = Enumerable.Range(0, Round)
                .Select(_ => NewOrder(account, 1, requestId: Guid.NewGuid().ToString())).ToList();
            requests.AddRange(round);
            await Task.WhenAll(round.Select(TryPlaceAsync));
            return replica.HasExited;
        }, MaxWait, () => "the process to kill itself");
        await RestartAsync(replica);

        var orders = await Task.WhenAll(
            requests.Select(x => RetryAsync(() => Orders.CreateOrderAsync(x).ResponseAsync)));
        await AssertConfirmedAsync(orders.Select(x => x.OrderId));
        await WaitForBalancesAsync(account, Deposit - requests.Count, held: 0, captured: requests.Count);
        await AuditAsync();
    }

    async Task TryPlaceAsync(CreateOrderRequest request)
    {
        try
        {
            await Orders.CreateOrderAsync(request);
        }
        catch (RpcException)
        {
            // The process is being killed; the request is repeated when it runs again.
        }
    }
}
