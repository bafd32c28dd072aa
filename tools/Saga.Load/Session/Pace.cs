using System.Diagnostics;

namespace Saga.Load;

/// <summary>
/// The schedule of calls at a constant rate, independent of their durations. The constructor starts it.
/// </summary>
/// <param name="rate">Calls per second.</param>
sealed class Pace(double rate)
{
    readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>The time since the start.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>The time since a call was due; negative if it is not due yet.</summary>
    /// <param name="number">The call's number, from 0.</param>
    public TimeSpan LatenessOf(int number) => Elapsed - TimeSpan.FromSeconds(number / rate);

    /// <summary>Waits until a call is due.</summary>
    /// <param name="number">The call's number, from 0.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public Task UntilAsync(int number, CancellationToken cancellationToken)
    {
        var early = -LatenessOf(number);
        return early > TimeSpan.FromMilliseconds(0.5) ? Task.Delay(early, cancellationToken) : Task.CompletedTask;
    }
}
