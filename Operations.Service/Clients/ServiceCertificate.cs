using System.Net.Security;
using Microsoft.Extensions.Options;
using Service.Defaults;

namespace Operations;

/// <summary>
/// The certificate that this service presents to Order and Account. It refuses to start with one that cannot be used.
/// </summary>
sealed class ServiceCertificate : IStartCheck
{
    readonly TlsOptions _options;
    readonly TlsFiles _files;

    public ServiceCertificate(IOptions<ServiceOptions> options, TimeProvider time, ILogger<TlsFiles> log)
    {
        _options = new() { CertificateFile = options.Value.CertificateFile, KeyFile = options.Value.KeyFile };
        _files = new(_options, "Services", time, log);
    }

    /// <summary>Has new connections present the certificate as it is then.</summary>
    public void Apply(SslClientAuthenticationOptions connection)
    {
        if (_files.IsConfigured)
            connection.LocalCertificateSelectionCallback = (_, _, _, _, _) => _files.Get().Certificate;
    }

    public Task RunAsync(CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(_options.CertificateFile) != string.IsNullOrEmpty(_options.KeyFile))
            throw new StartException("Services:CertificateFile and Services:KeyFile must be set together");
        if (_files.IsConfigured)
            _files.Load();
        return Task.CompletedTask;
    }
}
