using Microsoft.Extensions.Configuration;

namespace Service.Defaults;

/// <summary>Refuses to start if a port is to be encrypted and there is no certificate for it.</summary>
sealed class TlsCheck(ServerCertificate certificate, IConfiguration configuration) : IStartCheck
{
    public Task RunAsync(CancellationToken cancellationToken)
    {
        var checksClients = configuration["Tls:ClientCaFile"] is { Length: > 0 };
        if (!certificate.IsConfigured)
        {
            if (EncryptedPorts().FirstOrDefault() is { } port)
                throw new StartException($"{port.Path} is {port.Value}, so Tls:CertificateFile and Tls:KeyFile must "
                    + "be set");
            if (checksClients)
                throw new StartException("Tls:ClientCaFile is set, so Tls:CertificateFile and Tls:KeyFile must "
                    + "be, too");
            return Task.CompletedTask;
        }

        if (checksClients && !EncryptedPorts().Any())
            throw new StartException("Tls:ClientCaFile is set, but no address begins with https, so no client would be "
                + "asked for a certificate");
        certificate.Load();
        return Task.CompletedTask;
    }

    IEnumerable<IConfigurationSection> EncryptedPorts() => configuration.GetSection("Kestrel:Endpoints").GetChildren()
        .Select(x => x.GetSection("Url")).Append(configuration.GetSection("Operations:Url"))
        .Where(x => x.Value?.StartsWith("https:", StringComparison.OrdinalIgnoreCase) == true);
}
