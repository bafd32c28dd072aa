using System.ComponentModel.DataAnnotations;

namespace Orders;

/// <summary>Settings of WatchOrder; section <c>Watch</c> of the configuration.</summary>
public sealed class WatchOptions
{
    /// <summary>
    /// The time without a change after which a stream sends its order again, because proxies close silent streams;
    /// nginx after a minute by default. Default: 20 seconds.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00")]
    public TimeSpan MaxSilence { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// How often the watched orders are read again, because a notification can be lost. Default: 3 seconds.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00")]
    public TimeSpan RereadInterval { get; set; } = TimeSpan.FromSeconds(3);
}
