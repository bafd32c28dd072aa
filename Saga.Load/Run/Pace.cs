using System.Diagnostics;

namespace Saga.Load.Run;

/// <summary>The times at which something is done at a rate, however long each takes; they begin now.</summary>
/// <param name="rate">A second.</param>
sealed class Pace(double rate)
{
    readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>Since the beginning.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>How long ago it was time for the one with this number, by <see cref="Stopwatch" />.</summary>
    public long LatenessOf(int number) => Stopwatch.GetTimestamp() - _start - (long)(number / rate * Stopwatch.Frequency);

    /// <summary>Waits until it is time for the one with this number, from 0; not at all if that has passed.</summary>
    public Task UntilAsync(int number, CancellationToken cancellationToken)
    {
        var early = TimeSpan.FromSeconds(number / rate) - Elapsed;
        return early > TimeSpan.FromMilliseconds(0.5) ? Task.Delay(early, cancellationToken) : Task.CompletedTask;
    }
}
