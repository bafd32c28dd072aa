using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Saga.Servers;

/// <summary>A private authority and the certificates that it has issued, as PEM files in a folder.</summary>
public sealed class CertificateAuthority : IDisposable
{
    static readonly TimeSpan Lifetime = TimeSpan.FromDays(7);

    readonly string _folder;
    readonly X509Certificate2 _authority;

    /// <summary>Creates an authority.</summary>
    /// <param name="folder">The folder, which exists.</param>
    /// <param name="name">The name of the authority.</param>
    public CertificateAuthority(string folder, string name)
    {
        _folder = folder;
        using var key = RSA.Create(2048);
        var request = NewRequest(name, key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow + Lifetime);
        File.WriteAllText(CaFile, _authority.ExportCertificatePem());
    }

    CertificateAuthority(string folder, X509Certificate2 authority) => (_folder, _authority) = (folder, authority);

    /// <summary>The file with the certificate of the authority.</summary>
    public string CaFile => CaFileIn(_folder);

    /// <summary>The file with the certificate of the authority of a folder.</summary>
    public static string CaFileIn(string folder) => Path.Combine(folder, "ca.pem");

    /// <summary>The files of a certificate that the authority of a folder has issued, and of its key.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">The first name of the holder.</param>
    public static (string Certificate, string Key) FilesIn(string folder, string name) =>
        (Path.Combine(folder, $"{name}.pem"), Path.Combine(folder, $"{name}.key"));

    /// <summary>Issues a certificate, and returns the files of the certificate and of its key.</summary>
    /// <param name="names">The DNS names and IP addresses of the holder; the files have the first one.</param>
    public (string Certificate, string Key) Issue(params IReadOnlyList<string> names) =>
        Issue(names, _authority.NotAfter.AddHours(-1), purpose: null);

    /// <inheritdoc cref="Issue(IReadOnlyList{string})" />
    /// <param name="names">The DNS names and IP addresses of the holder; the files have the first one.</param>
    /// <param name="expiry">The end of its validity, at most that of the authority.</param>
    /// <param name="purpose">The only purpose it may be used for (RFC 5280, extended key usage); null for any.</param>
    public (string Certificate, string Key) Issue(IReadOnlyList<string> names, DateTimeOffset expiry, Oid? purpose)
    {
        ArgumentNullException.ThrowIfNull(names);
        using var key = RSA.Create(2048);
        var request = NewRequest(names[0], key);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
            if (IPAddress.TryParse(name, out var address))
                alternatives.AddIpAddress(address);
            else
                alternatives.AddDnsName(name);
        request.CertificateExtensions.Add(alternatives.Build());
        if (purpose != null)
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([purpose], critical: true));
        using var certificate = request.Create(
            _authority, DateTimeOffset.UtcNow.AddHours(-2), expiry, RandomNumberGenerator.GetBytes(8));
        var (certificateFile, keyFile) = FilesIn(_folder, names[0]);
        File.WriteAllText(certificateFile, certificate.ExportCertificatePem());
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var file = new StreamWriter(keyFile, options))
            file.Write(key.ExportPkcs8PrivateKeyPem());
        return (certificateFile, keyFile);
    }

    /// <summary>
    /// Issues a certificate by an authority between the root and the holder, and returns the files of the certificate,
    /// followed by that of this authority, and of the key.
    /// </summary>
    /// <param name="name">The name of the holder.</param>
    public (string Certificate, string Key) IssueIndirectly(string name)
    {
        using var key = RSA.Create(2048);
        var request = NewRequest($"authority of {name}", key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var issued = request.Create(_authority, DateTimeOffset.UtcNow.AddHours(-3),
            _authority.NotAfter.AddHours(-1), RandomNumberGenerator.GetBytes(8));
        using var between = new CertificateAuthority(_folder, issued.CopyWithPrivateKey(key));
        var files = between.Issue([name], issued.NotAfter.AddHours(-1), purpose: null);
        File.AppendAllText(files.Certificate, $"\n{issued.ExportCertificatePem()}\n");
        return files;
    }

    static CertificateRequest NewRequest(string name, RSA key) =>
        new($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);

    /// <inheritdoc />
    public void Dispose() => _authority.Dispose();
}
