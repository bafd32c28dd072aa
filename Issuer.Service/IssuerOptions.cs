using System.ComponentModel.DataAnnotations;

namespace Issuer;

/// <summary>Settings of the development issuer; section <c>Issuer</c> of its configuration.</summary>
sealed class IssuerOptions
{
    /// <summary>The password of all users.</summary>
    [Required]
    public string Password { get; set; } = "";

    /// <summary>The issuer that tokens name: the address at which services read its keys.</summary>
    [Required]
    public Uri? Name { get; set; }

    /// <summary>The address at which browsers reach it, if that is another than <see cref="Name" />.</summary>
    public Uri? BrowserAddress { get; set; }
}
