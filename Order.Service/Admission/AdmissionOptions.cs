using System.ComponentModel.DataAnnotations;

namespace Orders;

/// <summary>
/// The limits beyond which CreateOrder returns RESOURCE_EXHAUSTED; section <c>Admission</c> of the configuration.
/// </summary>
public sealed class AdmissionOptions
{
    /// <summary>
    /// The maximum number of open orders, over all replicas, besides those that are stuck. A replica sees the orders of
    /// the others within half a second; until then each can admit up to the limit. About an eighth of the limit can be
    /// orders that have just finished. Default: 1,200, enough for a burst of a thousand.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int MaxOpenOrders { get; set; } = 1200;

    /// <summary>
    /// The maximum number of open orders under sustained overload. A sustained queue only adds delay (RFC 8289), and a
    /// longer one costs more. The limit applies once this many orders have been open for five seconds, without falling
    /// below half of it, and until no call is rejected any more. It does not apply in an outage, when no order
    /// finishes. Orders older than 30 seconds do not count; they are stuck for another reason. Default: 400.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int MaxStandingOrders { get; set; } = 400;

    /// <summary>
    /// The maximum number of orders that have been open for more than 30 seconds, in addition to the other open orders.
    /// They wait for an outage to end or for somebody to mend them, and delay no other order. With
    /// <see cref="MaxUnsentAge" />, it is sized for an outage of an hour at ten orders a second. Default: 50,000.
    /// </summary>
    [Range(0, 10_000_000)]
    public int MaxStuckOrders { get; set; } = 50_000;

    /// <summary>
    /// The part of the open orders that one caller may have, so that nobody takes all the places. Default: half.
    /// </summary>
    [Range(0.001, 1)]
    public double MaxCallerShare { get; set; } = 0.5;

    /// <summary>
    /// The maximum time for which the oldest outbox message can wait for the broker. Default: an hour and a quarter.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan MaxUnsentAge { get; set; } = TimeSpan.FromMinutes(75);

    /// <summary>The <c>RetryInfo</c> delay that rejected clients receive. Default: one second.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(1);
}
