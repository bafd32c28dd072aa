using System.Collections.Concurrent;
using System.Diagnostics;

namespace Saga.Load;

/// <summary>The calls of one run.</summary>
/// <param name="orders">The number of orders to place.</param>
sealed class LoadRun(int orders)
{
    readonly ConcurrentDictionary<string, int> _failures = new();
    int _rejectedCalls;

    /// <summary>The accepted orders; null for an order that was not accepted.</summary>
    public PlacedOrder?[] Placed { get; } = new PlacedOrder?[orders];

    /// <summary>The delay of each call behind the schedule of the rate; empty without a rate.</summary>
    public List<TimeSpan> Late { get; } = [];

    /// <summary>The start of the run, in ticks of <see cref="Stopwatch" />.</summary>
    public long StartedAt { get; } = Stopwatch.GetTimestamp();

    /// <summary>The number of calls that were rejected with a retry delay.</summary>
    public int RejectedCalls => _rejectedCalls;

    public int FailedCalls => _failures.Values.Sum();

    /// <summary>The number of failed calls by reason.</summary>
    public IEnumerable<KeyValuePair<string, int>> Failures => _failures;

    public void AddRejected() => Interlocked.Increment(ref _rejectedCalls);

    public void AddFailed(string reason) => _failures.AddOrUpdate(reason, 1, (_, n) => n + 1);
}
