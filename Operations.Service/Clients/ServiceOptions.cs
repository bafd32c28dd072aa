using System.ComponentModel.DataAnnotations;

namespace Operations;

/// <summary>Where the services serve their operations; section <c>Services</c> of the configuration.</summary>
sealed class ServiceOptions
{
    /// <summary>The address of Order's operations, such as <c>http://order-service:8082</c>.</summary>
    [Required]
    public Uri? Order { get; set; }

    /// <summary>The address of Account's operations.</summary>
    [Required]
    public Uri? Account { get; set; }
}
