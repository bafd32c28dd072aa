namespace Service.Defaults;

/// <summary>
/// The certificate of a service's ports whose addresses begin with https; section <c>Tls</c> of its configuration.
/// </summary>
public sealed class TlsOptions
{
    /// <summary>The name of the section.</summary>
    public const string Section = "Tls";

    /// <summary>
    /// A PEM file with the certificate, followed by those of the authorities between it and the root.
    /// </summary>
    public string? CertificateFile { get; set; }

    /// <summary>The PEM file of its key, without a password.</summary>
    public string? KeyFile { get; set; }

    /// <summary>
    /// A PEM file with the authorities of clients' certificates, those between them and the root included. If set,
    /// these ports refuse connections without such a certificate.
    /// </summary>
    public string? ClientCaFile { get; set; }
}
