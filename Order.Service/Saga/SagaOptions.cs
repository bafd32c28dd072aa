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
}
