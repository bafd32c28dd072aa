using System.ComponentModel.DataAnnotations;
using Service.Defaults;

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

    /// <summary>
    /// The PEM file of the certificate that this service presents to both; null if they want none.
    /// </summary>
    public string? CertificateFile { get; set; }

    /// <summary>The PEM file of its key, without a password.</summary>
    public string? KeyFile { get; set; }

    /// <summary>
    /// A file with the token for these calls, which is read again every minute. Instead of it:
    /// <see cref="ClientId" />.
    /// </summary>
    public string? TokenFile { get; set; }

    /// <summary>The client for which the issuer gives tokens (OAuth 2.0, <c>client_credentials</c>).</summary>
    public string? ClientId { get; set; }

    /// <summary>The client's secret; or <see cref="ClientSecretFile" />.</summary>
    public string? ClientSecret { get; set; }

    /// <summary>A file with the client's secret, which is read for each new token.</summary>
    public string? ClientSecretFile { get; set; }

    /// <summary>The scopes to ask for; an issuer may need more, such as the name of an API.</summary>
    public string Scope { get; set; } = $"{Scopes.Administer} {Scopes.Operate}";

    /// <summary>Further parameters of the request that an issuer needs, such as <c>audience</c>.</summary>
    public Dictionary<string, string> Parameters { get; } = [];
}
