using System.ComponentModel.DataAnnotations;

namespace Orders;

/// <summary>Section <c>Saga</c> of the configuration.</summary>
public sealed class SagaOptions
{
    /// <summary>How long Account may take to answer before the order is given up. Default: 30 seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00")]
    public TimeSpan ReservationTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
