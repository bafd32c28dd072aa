using Accounts.V1;
using Grpc.Core;
using Orders.V1;
using Saga.Services;

namespace Saga.Attack;

/// <summary>Calls the services, each on a random replica, and records every request with its outcome.</summary>
sealed class RecordedCalls(OrderSystem system, History history, Random random)
{
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(8);

    /// <param name="client">The replica of Order to call.</param>
    /// <param name="request">The request.</param>
    /// <param name="created">Called with the order's id if it was created.</param>
    public Task CreateAsync(OrderService.OrderServiceClient client, CreateOrderRequest request,
        Action<string> created) =>
        RecordAsync(Recorded(request), async () =>
        {
            var id = (await client.CreateOrderAsync(request, deadline: DateTime.UtcNow + Deadline)).OrderId;
            created(id);
            return (id, null);
        });

    public Task CancelAsync(OrderService.OrderServiceClient client, string id) =>
        RecordAsync(new HistoryEvent(0, HistoryEvent.Cancel, Outcome.Unknown) { OrderId = id }, async () =>
        {
            var request = new CancelOrderRequest { OrderId = id };
            var order = await client.CancelOrderAsync(request, deadline: DateTime.UtcNow + Deadline);
            return (id, order.Status.ToString());
        });

    public Task ReadAsync(OrderService.OrderServiceClient client, string id) =>
        RecordAsync(new HistoryEvent(0, HistoryEvent.Read, Outcome.Unknown) { OrderId = id }, async () =>
        {
            var request = new GetOrderRequest { OrderId = id };
            var order = await client.GetOrderAsync(request, deadline: DateTime.UtcNow + Deadline);
            return (id, order.Status.ToString());
        });

    public Task DepositAsync(DepositRequest request)
    {
        var client = new AccountService.AccountServiceClient(
            system.Accounts[random.Next(system.Accounts.Count)].Channel);
        var recorded = new HistoryEvent(0, HistoryEvent.Deposit, Outcome.Unknown)
        {
            RequestId = request.RequestId,
            AccountId = request.AccountId,
            Amount = request.Amount.Units,
        };
        return RecordAsync(recorded, async () =>
        {
            await client.DepositAsync(request, deadline: DateTime.UtcNow + Deadline);
            return (null, null);
        });
    }

    /// <summary>
    /// Creates an order and waits for its terminal status, repeating the request after every failure.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="timeout">The maximum duration.</param>
    /// <param name="only">The replica of Order to call; null for all in turn.</param>
    /// <returns>The time until the terminal status was read, or null.</returns>
    public async Task<TimeSpan?> ProbeAsync(CreateOrderRequest request, TimeSpan timeout, ServiceReplica? only)
    {
        var start = history.Now;
        var recorded = Recorded(request) with { At = start };
        history.Add(recorded);
        for (var i = 0; history.Now - start < timeout.TotalSeconds; i++)
        {
            var client = new OrderService.OrderServiceClient((only ?? system.Orders[i % system.Orders.Count]).Channel);
            try
            {
                var id = (await client.CreateOrderAsync(request, deadline: DateTime.UtcNow.AddSeconds(2))).OrderId;
                history.Add(recorded with { At = history.Now, Outcome = Outcome.Ok, OrderId = id });
                while (history.Now - start < timeout.TotalSeconds)
                {
                    var order = await client.GetOrderAsync(new() { OrderId = id },
                        deadline: DateTime.UtcNow.AddSeconds(2));
                    if (order.Status.IsTerminal())
                        return TimeSpan.FromSeconds(history.Now - start);
                    await Task.Delay(50);
                }
            }
            catch (RpcException)
            {
                await Task.Delay(100); // the system has not recovered from the fault yet
            }
        }

        return null;
    }

    static HistoryEvent Recorded(CreateOrderRequest request) => new(0, HistoryEvent.Create, Outcome.Unknown)
    {
        RequestId = request.RequestId,
        AccountId = request.AccountId,
        Amount = request.Items[0].UnitPrice.Units,
    };

    async Task RecordAsync(HistoryEvent request, Func<Task<(string? OrderId, string? Status)>> call)
    {
        var at = history.Now;
        try
        {
            var (orderId, status) = await call();
            history.Add(request with { At = at, Outcome = Outcome.Ok, OrderId = orderId, Status = status });
        }
        catch (RpcException e)
        {
            // Only these codes guarantee that the request had no effect.
            var isRejected = e.StatusCode is StatusCode.FailedPrecondition or StatusCode.InvalidArgument
                or StatusCode.NotFound or StatusCode.AlreadyExists or StatusCode.ResourceExhausted;
            history.Add(request with
            {
                At = at,
                Outcome = isRejected ? Outcome.Rejected : Outcome.Unknown,
                Detail = $"{e.StatusCode}: {e.Status.Detail}",
            });
        }
    }
}
