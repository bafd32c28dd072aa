namespace Saga.Servers;

/// <summary>
/// The certificates with which all servers and services on this machine encrypt. This process and its children trust
/// their authority by <c>SSL_CERT_FILE</c>, a variable of OpenSSL.
/// </summary>
/// <param name="CaFile">The PEM file of the authority.</param>
/// <param name="CertificateFile">The PEM file of the certificate for 127.0.0.1 and localhost.</param>
/// <param name="KeyFile">The PEM file of its key.</param>
public sealed record LocalTls(string CaFile, string CertificateFile, string KeyFile)
{
    /// <summary>The environment variable with the folder of the certificates.</summary>
    public const string Variable = "ORDERSAGA_TLS";

    const string Host = "localhost";

    /// <summary>The certificates; null if nothing is to be encrypted.</summary>
    public static LocalTls? Instance { get; } =
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } folder ? In(Path.GetFullPath(folder)) : null;

    static LocalTls In(string folder)
    {
        var (certificate, key) = CertificateAuthority.FilesIn(folder, Host);
        return new(CertificateAuthority.CaFileIn(folder), certificate, key);
    }

    /// <summary>Adds an s to the scheme of an address if everything is encrypted.</summary>
    public static string Scheme(string scheme) => Scheme(scheme, Instance);

    /// <summary>Adds an s to the scheme of an address that has certificates.</summary>
    public static string Scheme(string scheme, LocalTls? tls) => tls == null ? scheme : $"{scheme}s";

    /// <summary>Creates an authority and a certificate in a folder.</summary>
    public static void Create(string folder)
    {
        Directory.CreateDirectory(folder);
        using var authority = new CertificateAuthority(folder, "Order saga on this machine");
        authority.Issue(Host, "127.0.0.1");
    }
}
