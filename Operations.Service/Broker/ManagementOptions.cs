using System.ComponentModel.DataAnnotations;

namespace Operations;

/// <summary>Where the broker's management API is; section <c>RabbitMq</c> of the configuration.</summary>
sealed class ManagementOptions
{
    /// <summary>
    /// The address, such as <c>http://rabbitmq:15672</c>. The user is that of <c>ConnectionStrings:RabbitMq</c>, and
    /// needs the tag <c>monitoring</c>.
    /// </summary>
    [Required]
    public Uri? Management { get; set; }
}
