using System.ComponentModel.DataAnnotations;

namespace Orders;

/// <summary>Section <c>Admission</c> of the configuration: past these, CreateOrder answers RESOURCE_EXHAUSTED.</summary>
public sealed class AdmissionOptions
{
    /// <summary>
    /// How many orders may be open: accepted and not ended, over all replicas. Replicas know of each other's within half a second; until then
    /// each may admit up to it, and about an eighth of it may count as open though they have ended. Default: 1,200, which takes a burst of a thousand.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int MaxOpenOrders { get; set; } = 1200;

    /// <summary>
    /// How many may stay open while orders end all the time: a queue that stands does nothing but delay (RFC 8289), and longer ones are dearer.
    /// Counts once so many have been open for five seconds, with no fewer than half of it meanwhile, until nobody is sent away any more; not in an
    /// outage, when none end, and without orders older than half a minute, which are stuck for a reason of their own. Default: 400.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int MaxStandingOrders { get; set; } = 400;

    /// <summary>How long the oldest message of the outbox may wait for the broker. Default: five minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan MaxUnsentAge { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>When a client that is refused is told to come again. Default: one second.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(1);
}
