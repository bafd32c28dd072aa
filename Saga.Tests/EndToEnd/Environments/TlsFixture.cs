using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Saga.Services;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>Runs Order with TLS on all its ports.</summary>
public abstract class TlsFixture
{
    readonly TestCertificates _certificates = new("authority");

    protected Uri Grpc { get; } = NewAddress();

    protected Uri Http { get; } = NewAddress();

    protected Uri OperationsAddress { get; } = NewAddress();

    protected StartedService Service { get; private set; } = null!;

    protected string CertificateFile { get; private set; } = "";

    protected string KeyFile { get; private set; } = "";

    protected string CaFile => _certificates.CaFile;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        IssueCertificate();
        Service = await StartedService.StartAsync("Order", Encrypt);
        using var http = NewHttpClient();
        await Servers.Wait.UntilAsync(async () =>
        {
            try
            {
                return (await http.GetAsync("/health/ready")).IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false; // not started yet
            }
        }, TimeSpan.FromSeconds(60), () => string.Join('\n', Service.LogLines("")));
    }

    /// <summary>Replaces the certificate of the ports by another one of the same authority.</summary>
    protected void IssueCertificate() => (CertificateFile, KeyFile) = _certificates.Issue("localhost", "127.0.0.1");

    protected virtual void Encrypt(IDictionary<string, string> settings)
    {
        settings["Kestrel__Endpoints__Grpc__Url"] = $"{Grpc}";
        settings["Kestrel__Endpoints__Http__Url"] = $"{Http}";
        settings["Operations__Url"] = OperationsAddress.GetLeftPart(UriPartial.Authority);
        (settings["Tls__CertificateFile"], settings["Tls__KeyFile"]) = (CertificateFile, KeyFile);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (Service != null!)
            await Service.DisposeAsync();
        _certificates.Dispose();
    }

    /// <summary>Starts a service with a setting that it does not accept.</summary>
    protected async Task AssertRefusesAsync(string setting, string value, string expected)
    {
        await using var service = await StartedService.StartAsync("Order", x =>
        {
            Encrypt(x);
            x[setting] = value;
        });
        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains(expected));
    }

    protected static CallOptions Token => new(
        new Metadata { { "authorization", $"Bearer {BearerCredentials.Default}" } }, DateTime.UtcNow.AddSeconds(20));

    protected HttpClient NewHttpClient() => new(NewHandler()) { BaseAddress = Http };

    protected GrpcChannel Connect(Uri address) =>
        GrpcChannel.ForAddress(address, new() { HttpHandler = NewHandler(), DisposeHttpClient = true });

    protected virtual SocketsHttpHandler NewHandler() => new()
    {
        SslOptions =
        {
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                CustomTrustStore = { X509CertificateLoader.LoadCertificateFromFile(CaFile) },
            },
        },
    };

    protected static Uri NewAddress() => new($"https://127.0.0.1:{Servers.Ports.Pick()}");
}
