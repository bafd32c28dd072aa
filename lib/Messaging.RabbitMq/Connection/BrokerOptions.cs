namespace Messaging.RabbitMq;

/// <summary>
/// How to connect to the broker; section <c>RabbitMq</c> of the configuration. Everything is read again at each
/// attempt to connect, so that passwords and certificates can be replaced while the service runs.
/// </summary>
public sealed class BrokerOptions
{
    /// <summary>The address, <c>ConnectionStrings:RabbitMq</c>.</summary>
    public string? Address { get; set; }

    /// <summary>A file with the user name, instead of the one in the address.</summary>
    public string? UserNameFile { get; set; }

    /// <summary>A file with the password, instead of the one in the address.</summary>
    public string? PasswordFile { get; set; }

    /// <summary>
    /// A file with the certificates, in PEM format, of the authorities that the broker's certificate must come from.
    /// Without it, the authorities of the machine are trusted.
    /// </summary>
    public string? CaFile { get; set; }

    /// <summary>
    /// A file with the certificate, in PEM format, that the service presents to the broker, followed by those between
    /// it and the root, if there are any.
    /// </summary>
    public string? ClientCertificateFile { get; set; }

    /// <summary>
    /// A file with the key of that certificate, in PEM format. Without it, the key is in the same file.
    /// </summary>
    public string? ClientKeyFile { get; set; }
}
