using System.Diagnostics;

namespace Saga.Load;

/// <summary>The times at which something is done at a rate, however long each takes; they begin now.</summary>
/// <param name="rate">A second.</param>
sealed class Pace(double rate)
{
    readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>Since the beginning.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>How long ago it was time for the one with this number; negative if it is not yet.</summary>
    public TimeSpan LatenessOf(int number) => Elapsed - TimeSpan.FromSeconds(number / rate);

    /// <summary>Waits until it is time for the one with this number, from 0; not at all if that has passed.</summary>
    public Task UntilAsync(int number, CancellationToken cancellationToken)
    {
        var early = -LatenessOf(number);
        return early > TimeSpan.FromMilliseconds(0.5) ? Task.Delay(early, cancellationToken) : Task.CompletedTask;
    }
}
