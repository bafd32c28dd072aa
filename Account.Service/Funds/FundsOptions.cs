using System.ComponentModel.DataAnnotations;

namespace Accounts;

/// <summary>Settings of the funds; section <c>Funds</c> of the configuration.</summary>
public sealed class FundsOptions
{
    /// <summary>
    /// The age from which a hold is reported: Order asks for a capture or a release at least once a minute, so nobody
    /// asks for this one. Default: five minutes.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan MaxHoldAge { get; set; } = TimeSpan.FromMinutes(5);
}
