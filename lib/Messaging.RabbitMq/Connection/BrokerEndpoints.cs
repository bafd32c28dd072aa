using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>Reads the credentials and the endpoints of the broker from its options.</summary>
static class BrokerEndpoints
{
    static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");

    /// <summary>Checks the options and their files. The files are read again for each connection.</summary>
    /// <exception cref="InvalidOperationException">
    /// The address is wrong, there is no password, a file cannot be used, or a file would have no effect.
    /// </exception>
    public static void Check(BrokerOptions options)
    {
        try
        {
            Read(options, new ConnectionFactory());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException
            or ArgumentException)
        {
            throw new InvalidOperationException($"A file of section RabbitMq cannot be used: {e.Message}", e);
        }

        if (!string.IsNullOrEmpty(options.ClientKeyFile) && string.IsNullOrEmpty(options.ClientCertificateFile))
            throw new InvalidOperationException(
                "RabbitMq:ClientKeyFile is set, but not RabbitMq:ClientCertificateFile");
        if (!BrokerAddress.Parse(options.Address).IsTls
            && (!string.IsNullOrEmpty(options.CaFile) || !string.IsNullOrEmpty(options.ClientCertificateFile)))
            throw new InvalidOperationException("Section RabbitMq has files for TLS, but ConnectionStrings:RabbitMq "
                + "does not begin with amqps");
    }

    /// <summary>Sets the credentials of a factory, and returns the endpoint of each node.</summary>
    /// <exception cref="Exception">
    /// A file cannot be read, the address is wrong, or there is no password.
    /// </exception>
    public static IReadOnlyList<AmqpTcpEndpoint> Read(BrokerOptions options, ConnectionFactory factory)
    {
        var address = BrokerAddress.Parse(options.Address);
        factory.UserName = ReadLine(options.UserNameFile) ?? address.User;
        factory.Password = ReadLine(options.PasswordFile) ?? address.Password ?? throw NoPassword(address.User);
        return [.. address.Nodes.Select(x =>
            new AmqpTcpEndpoint(x.IdnHost, x.Port, address.IsTls ? Tls(x.IdnHost, options) : new SslOption()))];
    }

    static InvalidOperationException NoPassword(string user) => new(
        $"ConnectionStrings:RabbitMq has the user {user} without a password, and RabbitMq:PasswordFile is not set");

    static string? ReadLine(string? file) =>
        string.IsNullOrEmpty(file) ? null : File.ReadAllText(file).TrimEnd('\r', '\n');

    static SslOption Tls(string host, BrokerOptions options)
    {
        var tls = new SslOption(host, enabled: true)
        {
            Version = SslProtocols.Tls12 | SslProtocols.Tls13,
            AcceptablePolicyErrors = SslPolicyErrors.None,
        };
        if (!string.IsNullOrEmpty(options.ClientCertificateFile))
            tls.ClientCertificateContext = ReadCertificate(options.ClientCertificateFile,
                string.IsNullOrEmpty(options.ClientKeyFile) ? null : options.ClientKeyFile);
        if (!string.IsNullOrEmpty(options.CaFile))
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(options.CaFile);
            if (authorities.Count == 0)
                throw new CryptographicException($"{options.CaFile} has no certificate");
            tls.CertificateValidationCallback = (_, certificate, chain, errors) =>
                (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) == SslPolicyErrors.None
                && certificate is X509Certificate2 server && IsIssuedBy(authorities, server, chain);
        }

        return tls;
    }

    /// <summary>Reads a certificate, and what else its file has: the certificates between it and the root.</summary>
    static SslStreamCertificateContext ReadCertificate(string file, string? keyFile)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(file);
        return SslStreamCertificateContext.Create(
            X509Certificate2.CreateFromPemFile(file, keyFile), chain, offline: true);
    }

    static bool IsIssuedBy(X509Certificate2Collection authorities, X509Certificate2 server, X509Chain? received)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(ServerAuthentication);
        if (received != null)
            chain.ChainPolicy.ExtraStore.AddRange(received.ChainPolicy.ExtraStore);
        return chain.Build(server);
    }
}
