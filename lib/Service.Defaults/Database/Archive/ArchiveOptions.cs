using System.ComponentModel.DataAnnotations;

namespace Service.Defaults;

/// <summary>
/// Settings of the archive; section <c>Archive</c> of a service's configuration. What is finished moves from the tables
/// that the service works on to partitions by month, where it can still be read.
/// </summary>
public sealed class ArchiveOptions
{
    /// <summary>
    /// The shortest time for which something finished stays where it was. Messages that are older than half of it must
    /// be looked up in the archive, too.
    /// </summary>
    public static readonly TimeSpan MinAge = TimeSpan.FromDays(1);

    /// <summary>
    /// The time after the last change from which something finished is archived; at least one day. Empty: nothing is.
    /// Default: 90 days.
    /// </summary>
    [Range(typeof(TimeSpan), "1.00:00:00", "36500.00:00:00")]
    public TimeSpan? After { get; set; } = TimeSpan.FromDays(90);

    /// <summary>How many orders or reservations move in one transaction. Default: 500.</summary>
    [Range(1, 10_000)]
    public int BatchSize { get; set; } = 500;

    /// <summary>The pause between two searches for what can be archived. Default: ten minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00")]
    public TimeSpan Interval { get; set; } = TimeSpan.FromMinutes(10);
}
