using System.Collections.Concurrent;
using System.Diagnostics;

namespace Saga.Load;

/// <summary>
/// Calls CreateOrder at a rate independent of the responses. A rejected call retries after the server's delay, in place
/// of a new order. After the overload, the remaining calls retry until they are accepted.
/// </summary>
sealed class OverloadGenerator(OrderPlacer placer, TerminalTimes times)
{
    const int MaxRemembered = 100_000;

    readonly LoadRun _run = new(0);
    readonly ConcurrentDictionary<int, PlacedOrder> _placed = new();

    // The server's delay is the same for all calls, so that the queue is ordered by time.
    readonly ConcurrentQueue<(int Order, long RetryAt)> _retries = new();

    /// <param name="rate">Calls per second.</param>
    /// <param name="duration">The time during which new orders are offered.</param>
    /// <param name="cancellationToken">Cancels the calls.</param>
    public async Task<OverloadResult> RunAsync(double rate, TimeSpan duration, CancellationToken cancellationToken)
    {
        var calls = new List<Task>();
        var (pace, orders, endedAt) = (new Pace(rate), 0, 0L);
        for (var call = 0; ; call++)
        {
            await pace.UntilAsync(call, cancellationToken);
            var isOver = pace.Elapsed > duration;
            if (isOver && endedAt == 0)
                endedAt = Stopwatch.GetTimestamp();
            if (_retries.TryPeek(out var next) && next.RetryAt <= Stopwatch.GetTimestamp()
                && _retries.TryDequeue(out next))
                calls.Add(CallAsync(next.Order, cancellationToken));
            else if (!isOver)
                calls.Add(CallAsync(orders++, cancellationToken));
            else if (calls.TrueForAll(x => x.IsCompleted) && _retries.IsEmpty)
                break;
            if (calls.Count > MaxRemembered)
                calls.RemoveAll(x => x.IsCompletedSuccessfully);
        }

        await Task.WhenAll(calls);
        await times.WaitAsync([.. _placed.Values], cancellationToken);
        var ended = _placed.Values.Select(x => times.Of(x.OrderId)?.At).OfType<long>().ToList();
        return new OverloadResult(ended.Count(x => x <= endedAt) / duration.TotalSeconds, _run.RejectedCalls,
            _run.FailedCalls + _placed.Count - ended.Count, endedAt);
    }

    async Task CallAsync(int order, CancellationToken cancellationToken)
    {
        var (placed, retryDelay) = await placer.CallOnceAsync(order, _run, cancellationToken);
        if (placed != null)
        {
            _placed[order] = placed;
            times.Watch(placed.OrderId);
        }
        else if (retryDelay is { } delay)
        {
            _retries.Enqueue((order, Stopwatch.GetTimestamp() + (long)(delay.TotalSeconds * Stopwatch.Frequency)));
        }
    }
}
