using System.Diagnostics;

namespace Saga.Load;

/// <summary>Waits for the first confirmation of an order that was placed after this object was created.</summary>
sealed class FirstConfirmation
{
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    readonly Guid _createdAfter = Guid.CreateVersion7(); // order ids are of version 7 too, and so ordered by time
    readonly TaskCompletionSource<long> _confirmedAt = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void OrderChanged(Guid orderId, string state)
    {
        if (state == "Confirmed" && orderId > _createdAfter)
            _confirmedAt.TrySetResult(Stopwatch.GetTimestamp());
    }

    /// <summary>The seconds between a time and the confirmation; infinite if there is none within a minute.</summary>
    /// <param name="start">The time, in ticks of <see cref="Stopwatch" />.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public async Task<double> SecondsAfterAsync(long start, CancellationToken cancellationToken)
    {
        try
        {
            return Stopwatch.GetElapsedTime(start,
                await _confirmedAt.Task.WaitAsync(MaxWait, cancellationToken)).TotalSeconds;
        }
        catch (TimeoutException)
        {
            return double.PositiveInfinity;
        }
    }
}
