using System.ComponentModel.DataAnnotations;

namespace Orders;

/// <summary>Settings of the order saga; section <c>Saga</c> of the configuration.</summary>
public sealed class SagaOptions
{
    /// <summary>
    /// The time within which Account must reserve the funds; the order is cancelled after that. Default: 30 seconds.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00")]
    public TimeSpan ReservationTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The time after which an answer of Account is overdue and its command is sent again. The next pauses are as long
    /// as the wait so far. Default: 5 seconds.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "01:00:00")]
    public TimeSpan ResendDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest pause before a command is sent again. Default: one minute.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00")]
    public TimeSpan MaxResendDelay { get; set; } = TimeSpan.FromMinutes(1);
}
