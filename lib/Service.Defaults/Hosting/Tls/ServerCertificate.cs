using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Messaging.Postgres.Observability;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>
/// The certificate of the service's ports. Files that have changed are read again within ten seconds; open connections
/// are not disturbed. Files that cannot be used are logged, and the certificate before them stays.
/// </summary>
sealed partial class ServerCertificate(
    IOptions<TlsOptions> options, TimeProvider time, ILogger<ServerCertificate> log)
{
    static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(10);

    readonly TlsOptions _options = options.Value;
    readonly Lock _lock = new();
    readonly LogLimit _unusable = new(time);
    long _checked;
    Loaded? _loaded;

    /// <summary>Whether there are files.</summary>
    public bool IsConfigured => _options.CertificateFile is { Length: > 0 };

    /// <summary>Has a port present the certificate.</summary>
    public void Apply(HttpsConnectionAdapterOptions https)
    {
        https.SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
        https.ServerCertificateSelector = (_, _) => null; // so that none is looked for elsewhere
        https.OnAuthenticate = (_, connection) =>
        {
            connection.ServerCertificateSelectionCallback = null;
            connection.ServerCertificateContext = Get().Context;
        };
    }

    /// <summary>Whether a certificate is the one that the ports present.</summary>
    public bool IsPresented(X509Certificate? certificate) =>
        certificate != null && Get().Certificate.RawDataMemory.Span.SequenceEqual(certificate.GetRawCertData());

    /// <summary>Reads the files for the first time.</summary>
    /// <exception cref="Exception">They cannot be used.</exception>
    public void Load() => _loaded = Read();

    Loaded Get()
    {
        lock (_lock)
        {
            if (_loaded is { } known && time.GetElapsedTime(_checked) < CheckInterval)
                return known;
            _checked = time.GetTimestamp();
            try
            {
                return _loaded = Read();
            }
            catch (Exception e) when (_loaded != null
                && e is ArgumentException or IOException or UnauthorizedAccessException or CryptographicException)
            {
                if (_unusable.IsDue(LogLimit.KindOf(e), out _))
                    LogUnusable(_options.CertificateFile!, Reason.Of(e));
                return _loaded!;
            }
        }
    }

    Loaded Read()
    {
        var pem = (File.ReadAllText(_options.CertificateFile!), File.ReadAllText(_options.KeyFile!));
        if (_loaded is { } known && known.Pem == pem)
            return known;
        using var ephemeral = X509Certificate2.CreateFromPem(pem.Item1, pem.Item2);
        // Some platforms cannot use a key that was not imported.
        var certificate = X509CertificateLoader.LoadPkcs12(ephemeral.Export(X509ContentType.Pkcs12), password: null);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(pem.Item1);
        chain.RemoveAt(0);
        if (_loaded != null)
            LogReplaced(certificate.Subject, certificate.NotAfter.ToUniversalTime());
        return new(certificate, SslStreamCertificateContext.Create(certificate, chain, offline: true), pem);
    }

    [LoggerMessage(Level = LogLevel.Information, Message =
        "New connections get another certificate from now on: {Certificate}, valid until {Expiry:u}")]
    partial void LogReplaced(string certificate, DateTime expiry);

    [LoggerMessage(Level = LogLevel.Error, Message = "The certificate in {File} cannot be used, and the one before it "
        + "stays until it expires. Check Tls:CertificateFile and Tls:KeyFile: {Reason}")]
    partial void LogUnusable(string file, string reason);

    sealed record Loaded(X509Certificate2 Certificate, SslStreamCertificateContext Context, (string, string) Pem);
}
