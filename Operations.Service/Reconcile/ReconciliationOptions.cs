using System.ComponentModel.DataAnnotations;

namespace Operations;

/// <summary>Settings of reconciliation; section <c>Reconciliation</c> of the configuration.</summary>
sealed class ReconciliationOptions
{
    /// <summary>What is younger may still be on its way, and is not compared. Default: one minute.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan Grace { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>The longest time that the capture of a confirmed order should take. Default: ten minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "7.00:00:00")]
    public TimeSpan MaxCaptureTime { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>A mismatch must still exist after this time to be reported. Default: five seconds.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan RecheckDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How many orders, reservations or accounts are compared at once. Default: 1,000.</summary>
    [Range(1, 1000)]
    public int PageSize { get; set; } = 1000;

    /// <summary>The pause between two pages, which limits the load on both services. Default: one second.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan Pause { get; set; } = TimeSpan.FromSeconds(1);
}
