using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Service.Defaults;

/// <summary>
/// The certificate of the service's ports, and the check of those that clients present. Revocation is not checked.
/// </summary>
sealed class ServerCertificate(TlsOptions options, TlsFiles files)
{
    static readonly Oid ClientAuthentication = new("1.3.6.1.5.5.7.3.2");

    /// <summary>Whether there is one.</summary>
    public bool IsConfigured => files.IsConfigured;

    /// <inheritdoc cref="TlsFiles.Load" />
    public void Load() => files.Load();

    /// <summary>
    /// Has a port present the certificate, and require one of clients if authorities for them are configured.
    /// </summary>
    public void Apply(HttpsConnectionAdapterOptions https)
    {
        https.SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
        https.ServerCertificateSelector = (_, _) => null; // so that none is looked for elsewhere
        if (options.ClientCaFile is { Length: > 0 })
        {
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            // This process calls itself with its own certificate, which may be of another authority.
            https.ClientCertificateValidation = (client, _, errors) =>
                errors == SslPolicyErrors.None || IsPresented(client);
        }

        https.OnAuthenticate = (_, connection) =>
        {
            var content = files.Get();
            connection.ServerCertificateSelectionCallback = null;
            connection.ServerCertificateContext = content.Context;
            if (content.ClientAuthorities is { } authorities)
                connection.CertificateChainPolicy = PolicyOf(authorities);
        };
    }

    /// <summary>Has calls of this process to its own port accept this certificate, and present it.</summary>
    public void ApplyToOwnCalls(SslClientAuthenticationOptions client)
    {
        // It need not be for the name by which this process calls itself.
        client.RemoteCertificateValidationCallback = (_, x, _, _) => IsPresented(x);
        if (IsConfigured)
            client.ClientCertificateContext = files.Get().Context;
    }

    bool IsPresented(X509Certificate? certificate) => certificate != null
        && files.Get().Certificate.RawDataMemory.Span.SequenceEqual(certificate.GetRawCertData());

    static X509ChainPolicy PolicyOf(X509Certificate2Collection authorities)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true, // from an address that anybody can write into a certificate
            ApplicationPolicy = { ClientAuthentication },
        };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }
}
