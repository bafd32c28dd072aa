using System.Diagnostics;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Orders.V1;
using Saga.Services;

namespace Saga.Load;

/// <summary>Places the orders of a load.</summary>
/// <param name="options">The options of the load.</param>
/// <param name="channels">Connections to Order.</param>
/// <param name="funded">The accounts with funds.</param>
/// <param name="unfunded">The accounts without funds; empty if no order is to be rejected.</param>
sealed class OrderPlacer(LoadOptions options, GrpcChannel[] channels, string[] funded, string[] unfunded)
{
    static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(60);
    static readonly TimeSpan MaxRetryTime = TimeSpan.FromMinutes(5);

    readonly OrderService.OrderServiceClient[] _clients =
        [.. channels.Select(x => new OrderService.OrderServiceClient(x))];

    /// <summary>Places all orders of a run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="rate">Orders per second; 0 for as fast as the clients can.</param>
    /// <param name="times">Records the terminal statuses.</param>
    /// <param name="cancellationToken">Cancels the calls.</param>
    public Task PlaceAllAsync(LoadRun run, double rate, TerminalTimes times, CancellationToken cancellationToken) =>
        rate == 0 ? PlaceByClientsAsync(run, times, cancellationToken)
            : PlaceAtRateAsync(run, rate, times, cancellationToken);

    /// <summary>Calls CreateOrder once.</summary>
    /// <param name="number">The order's number, from 0, which decides its account.</param>
    /// <param name="run">Counts rejected and failed calls.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The order if it was accepted; the retry delay if the call was rejected; neither if it failed.</returns>
    public async Task<(PlacedOrder? Placed, TimeSpan? RetryDelay)> CallOnceAsync(int number, LoadRun run,
        CancellationToken cancellationToken)
    {
        var calledAt = Stopwatch.GetTimestamp();
        try
        {
            var created = await _clients[number % _clients.Length].CreateOrderAsync(new CreateOrderRequest
            {
                AccountId = AccountOf(number),
                Items = { new OrderItem { Sku = "load", Quantity = 1, UnitPrice = Euros.Of(1) } },
            }, deadline: DateTime.UtcNow + CallTimeout, cancellationToken: cancellationToken);
            return (new PlacedOrder(Guid.Parse(created.OrderId), calledAt, calledAt, Stopwatch.GetTimestamp()), null);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted
            && e.GetRpcStatus()?.GetDetail<RetryInfo>() is { RetryDelay: { } delay })
        {
            run.AddRejected();
            return (null, delay.ToTimeSpan());
        }
        catch (RpcException e)
        {
            run.AddFailed($"{e.StatusCode}: {e.Status.Detail}");
            return (null, null);
        }
    }

    async Task PlaceByClientsAsync(LoadRun run, TerminalTimes times, CancellationToken cancellationToken)
    {
        var last = -1;
        await Task.WhenAll(Enumerable.Range(0, options.Clients).Select(async _ =>
        {
            for (int i; (i = Interlocked.Increment(ref last)) < run.Placed.Length;)
                await PlaceAsync(i, run, times, cancellationToken);
        }));
    }

    async Task PlaceAtRateAsync(LoadRun run, double rate, TerminalTimes times, CancellationToken cancellationToken)
    {
        var calls = new List<Task>(run.Placed.Length);
        var pace = new Pace(rate);
        for (var i = 0; i < run.Placed.Length; i++)
        {
            await pace.UntilAsync(i, cancellationToken);
            run.Late.Add(pace.LatenessOf(i));
            calls.Add(PlaceAsync(i, run, times, cancellationToken));
        }

        await Task.WhenAll(calls);
    }

    /// <summary>Places an order; a rejected call is retried after the server's delay.</summary>
    async Task PlaceAsync(int number, LoadRun run, TerminalTimes times, CancellationToken cancellationToken)
    {
        var firstCalledAt = Stopwatch.GetTimestamp();
        while (true)
        {
            var (placed, retryDelay) = await CallOnceAsync(number, run, cancellationToken);
            if (placed != null)
            {
                run.Placed[number] = placed with { FirstCalledAt = firstCalledAt };
                times.Watch(placed.OrderId);
            }

            if (retryDelay is not { } delay)
                return;
            if (Stopwatch.GetElapsedTime(firstCalledAt) > MaxRetryTime)
            {
                run.AddFailed($"rejected for more than {MaxRetryTime}");
                return;
            }

            await Task.Delay(delay, cancellationToken);
        }
    }

    /// <summary>
    /// Spreads the orders on accounts without funds evenly, and uses the accounts of each kind in turn.
    /// </summary>
    string AccountOf(int number)
    {
        var unfundedBefore = (int)(number * options.RejectedShare);
        return (int)((number + 1) * options.RejectedShare) > unfundedBefore
            ? unfunded[unfundedBefore % unfunded.Length]
            : funded[(number - unfundedBefore) % funded.Length];
    }
}
