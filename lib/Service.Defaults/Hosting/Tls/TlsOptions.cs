namespace Service.Defaults;

/// <summary>
/// The certificate of a service's ports whose addresses begin with https; section <c>Tls</c> of its configuration.
/// </summary>
public sealed class TlsOptions
{
    /// <summary>
    /// A PEM file with the certificate, followed by those of the authorities between it and the root.
    /// </summary>
    public string? CertificateFile { get; set; }

    /// <summary>The PEM file of its key, without a password.</summary>
    public string? KeyFile { get; set; }
}
