using System.ComponentModel.DataAnnotations;

namespace Service.Defaults;

/// <summary>Settings of a service's shutdown; section <c>Shutdown</c> of its configuration.</summary>
public sealed class ShutdownOptions
{
    /// <summary>
    /// The time for which a service that receives SIGTERM still serves, while it reports that it is not ready, so that
    /// load balancers send it no more calls. Default: two seconds.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan Delay { get; set; } = TimeSpan.FromSeconds(2);
}
