using Grpc.Core;
using Operations.V1;

namespace Orders;

/// <summary>Keeps the rate of a redrive, and reports its progress once a second.</summary>
/// <param name="total">The number of orders.</param>
/// <param name="rate">Orders per second.</param>
/// <param name="time">The clock.</param>
/// <param name="responses">Receives the progress.</param>
sealed class RedriveRun(int total, double rate, TimeProvider time, IServerStreamWriter<RedriveProgress> responses)
{
    static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(1);

    readonly long _started = time.GetTimestamp();
    TimeSpan _reported;

    /// <summary>The orders that have sent their commands again.</summary>
    public long Sent { get; private set; }

    /// <summary>The orders that had nothing to send.</summary>
    public long Skipped { get; private set; }

    /// <summary>Waits until the rate allows the next batch.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        var due = TimeSpan.FromSeconds((Sent + Skipped) / rate);
        for (var now = time.GetElapsedTime(_started); now < due; now = time.GetElapsedTime(_started))
        {
            var wait = TimeSpan.FromTicks(Math.Min((due - now).Ticks, ReportInterval.Ticks));
            await Task.Delay(wait + TimeSpan.FromMilliseconds(1), time, cancellationToken);
            await ReportIfDueAsync(cancellationToken);
        }
    }

    /// <summary>Counts a batch.</summary>
    public Task AddAsync(int count, int sent, CancellationToken cancellationToken)
    {
        Sent += sent;
        Skipped += count - sent;
        return ReportIfDueAsync(cancellationToken);
    }

    /// <summary>Reports the end.</summary>
    public Task EndAsync(int skipped, CancellationToken cancellationToken)
    {
        Skipped += skipped;
        return ReportAsync(isDone: true, cancellationToken);
    }

    Task ReportIfDueAsync(CancellationToken cancellationToken)
    {
        var now = time.GetElapsedTime(_started);
        if (now - _reported < ReportInterval)
            return Task.CompletedTask;
        _reported = now;
        return ReportAsync(isDone: false, cancellationToken);
    }

    Task ReportAsync(bool isDone, CancellationToken cancellationToken) => responses.WriteAsync(
        new RedriveProgress { Total = total, Sent = Sent, Skipped = Skipped, IsDone = isDone }, cancellationToken);
}
