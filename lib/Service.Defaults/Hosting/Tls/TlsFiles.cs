using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// A certificate with its key, and the authorities that the other side's must come from. Files that have changed are
/// read again within ten seconds; open connections are not disturbed. Files that cannot be used are logged, and what
/// was read before them stays.
/// </summary>
/// <param name="options">The files.</param>
/// <param name="section">The section of the configuration that names them.</param>
/// <param name="time">Measures the ten seconds.</param>
/// <param name="log">The log.</param>
sealed partial class TlsFiles(TlsOptions options, string section, TimeProvider time, ILogger<TlsFiles> log)
{
    static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(10);

    readonly Lock _lock = new();
    readonly LogLimit _unusable = new(time);
    long _checked;
    Content? _content;

    /// <summary>Whether there is a certificate.</summary>
    public bool IsConfigured => options.CertificateFile is { Length: > 0 };

    /// <summary>Reads the files for the first time.</summary>
    /// <exception cref="StartException">They cannot be used.</exception>
    public void Load()
    {
        try
        {
            _content = Read();
        }
        catch (Exception e) when (IsUnusable(e))
        {
            throw new StartException($"The files of {section} cannot be used: {Reason.Of(e)}");
        }
    }

    static bool IsUnusable(Exception e) =>
        e is ArgumentException or IOException or UnauthorizedAccessException or CryptographicException;

    /// <summary>What the files contain.</summary>
    public Content Get()
    {
        lock (_lock)
        {
            if (_content is { } known && time.GetElapsedTime(_checked) < CheckInterval)
                return known;
            _checked = time.GetTimestamp();
            try
            {
                return _content = Read();
            }
            catch (Exception e) when (_content != null && IsUnusable(e))
            {
                if (_unusable.IsDue(LogLimit.KindOf(e), out _))
                    LogUnusable(section, Reason.Of(e));
                return _content!;
            }
        }
    }

    Content Read()
    {
        var texts = (File.ReadAllText(options.CertificateFile!), File.ReadAllText(options.KeyFile!),
            options.ClientCaFile is { Length: > 0 } file ? File.ReadAllText(file) : null);
        if (_content is { } known && known.Texts == texts)
            return known;
        using var ephemeral = X509Certificate2.CreateFromPem(texts.Item1, texts.Item2);
        // Some platforms cannot use a key that was not imported.
        var certificate = X509CertificateLoader.LoadPkcs12(ephemeral.Export(X509ContentType.Pkcs12), password: null);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(texts.Item1);
        chain.RemoveAt(0);
        var content = new Content(certificate, SslStreamCertificateContext.Create(certificate, chain, offline: true),
            Authorities(texts.Item3), texts);
        if (_content != null)
            LogReplaced(section, certificate.Subject, certificate.NotAfter.ToUniversalTime());
        return content;
    }

    static X509Certificate2Collection? Authorities(string? text)
    {
        if (text == null)
            return null;
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPem(text);
        return authorities.Count > 0 ? authorities
            : throw new CryptographicException("the file of the authorities has no certificate");
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "New connections use the files of {Section} as they are "
        + "now. The certificate is that of {Certificate}, valid until {Expiry:u}")]
    partial void LogReplaced(string section, string certificate, DateTime expiry);

    [LoggerMessage(Level = LogLevel.Error, Message = "The files of {Section} cannot be used, and what was read before "
        + "stays until it expires. Check their names and contents: {Reason}")]
    partial void LogUnusable(string section, string reason);

    /// <param name="Certificate">The certificate with its key.</param>
    /// <param name="Context">The same with the certificates between it and the root.</param>
    /// <param name="ClientAuthorities">What clients' certificates must come from; null if they need none.</param>
    /// <param name="Texts">The files.</param>
    internal sealed record Content(X509Certificate2 Certificate, SslStreamCertificateContext Context,
        X509Certificate2Collection? ClientAuthorities, (string, string, string?) Texts);
}
