namespace Messaging.Postgres;

/// <summary>
/// Where a repeated scan of an index by time begins. Rows that were deleted or moved stay in the index as long as a
/// snapshot anywhere in the server is older, for example that of a backup. A scan from the beginning would read them
/// all again each time; this one begins where the last complete scan ended.
/// </summary>
/// <remarks>
/// A row that becomes visible long after its time, because its transaction took long, can lie before that. A full scan
/// finds it: the first one of each process, then one a minute, and fewer, down to one in ten minutes, if they are slow.
/// </remarks>
/// <param name="time">The clock.</param>
public sealed class ScanStart(TimeProvider time)
{
    /// <summary>How late a row may become visible. A scan reads what was deleted in this time again.</summary>
    static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);

    /// <summary>Full scans take at most one part of this many of the time.</summary>
    const int FullScanShare = 1000;

    static readonly TimeSpan MinFullScanInterval = TimeSpan.FromMinutes(1);
    static readonly TimeSpan MaxFullScanInterval = TimeSpan.FromMinutes(10);

    /// <summary>The first value of the index.</summary>
    public static readonly DateTime Beginning = DateTime.SpecifyKind(DateTime.MinValue, DateTimeKind.Utc);

    DateTime _from = Beginning;
    TimeSpan _fullScanInterval;
    long? _fullScanned; // timestamp

    /// <summary>Runs a scan.</summary>
    /// <param name="scan">
    /// Scans from a time on. Returns its result, and the time before which no row remains in the table; null if the
    /// scan ended before it had seen all.
    /// </param>
    public async Task<T> Scan<T>(Func<DateTime, Task<(T Result, DateTime? NoneBefore)>> scan)
    {
        ArgumentNullException.ThrowIfNull(scan);
        var isFull = _fullScanned is not { } last || time.GetElapsedTime(last) >= _fullScanInterval;
        var started = time.GetTimestamp();
        if (isFull)
            (_fullScanned, _fullScanInterval) = (started, MinFullScanInterval); // the next is short, also if this fails
        var (result, noneBefore) = await scan(isFull ? Beginning : _from).ConfigureAwait(false);
        if (noneBefore == null)
        {
            if (isFull)
                _fullScanned = null; // it has not ended
            return result;
        }

        _from = noneBefore.Value > Beginning + Margin ? noneBefore.Value - Margin : Beginning;
        if (isFull)
        {
            _fullScanned = time.GetTimestamp();
            var ticks = FullScanShare * time.GetElapsedTime(started).Ticks;
            _fullScanInterval = new(Math.Clamp(ticks, MinFullScanInterval.Ticks, MaxFullScanInterval.Ticks));
        }

        return result;
    }
}
