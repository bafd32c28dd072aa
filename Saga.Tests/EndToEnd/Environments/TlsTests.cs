using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Orders.V1;
using Saga.Services;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_a_service_serves_tls
{
    readonly TestCertificates _certificates = new("authority");
    readonly Uri _grpc = NewAddress(), _http = NewAddress(), _operations = NewAddress();
    StartedService? _service;
    string _certificateFile = "", _keyFile = "";

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        (_certificateFile, _keyFile) = _certificates.Issue("localhost", "127.0.0.1");
        _service = await StartedService.StartAsync("Order", Encrypt);
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
        }, TimeSpan.FromSeconds(60), () => string.Join('\n', _service.LogLines("")));
    }

    void Encrypt(IDictionary<string, string> settings)
    {
        settings["Kestrel__Endpoints__Grpc__Url"] = $"{_grpc}";
        settings["Kestrel__Endpoints__Http__Url"] = $"{_http}";
        settings["Operations__Url"] = _operations.GetLeftPart(UriPartial.Authority);
        (settings["Tls__CertificateFile"], settings["Tls__KeyFile"]) = (_certificateFile, _keyFile);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_service != null)
            await _service.DisposeAsync();
        _certificates.Dispose();
    }

    [Test]
    public async Task Should_answer_on_all_its_ports()
    {
        using var grpc = Connect(_grpc);
        var list = await new OrderService.OrderServiceClient(grpc).ListOrdersAsync(new(), Token);
        Assert.That(list.Orders, Is.Empty);
        using var operations = Connect(_operations);
        await new Operations.V1.OrderOperations.OrderOperationsClient(operations).ListStuckOrdersAsync(new(), Token);
        using var http = NewHttpClient();
        http.DefaultRequestHeaders.Authorization = new("Bearer", BearerCredentials.Default);
        Assert.That((await http.GetAsync("/v1/orders")).IsSuccessStatusCode, Is.True);
        Assert.That(_service!.LogLines("warn"), Has.None.Contains("could not call itself"));
    }

    [Test]
    public void Should_not_answer_without_tls() => Assert.That(async () =>
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://{_http.Authority}") };
        await http.GetAsync("/health/ready");
    }, Throws.InstanceOf<HttpRequestException>());

    [Test]
    public async Task Should_present_another_certificate_without_a_restart()
    {
        using var open = Connect(_grpc);
        var client = new OrderService.OrderServiceClient(open);
        await client.ListOrdersAsync(new(), Token);
        var before = await PresentedAsync();

        await File.WriteAllTextAsync(_certificateFile, "half of a");
        await Servers.Wait.UntilAsync(async () => await PresentedAsync() == before
            && _service!.LogLines("fail").Any(x => x.Contains("cannot be used", StringComparison.Ordinal)),
            TimeSpan.FromSeconds(30), () => "a line about the certificate");
        _certificates.Issue("localhost", "127.0.0.1");
        await Servers.Wait.UntilAsync(async () => await PresentedAsync() != before, TimeSpan.FromSeconds(30),
            () => "the new certificate");

        await client.ListOrdersAsync(new(), Token);
    }

    [TestCase("Tls__CertificateFile", "", "Kestrel:Endpoints:", TestName = "no certificate")]
    [TestCase("Tls__KeyFile", "missing.key", "missing.key", TestName = "no key")]
    public async Task Should_refuse_to_start_with(string setting, string value, string expected)
    {
        await using var service = await StartedService.StartAsync("Order", x =>
        {
            Encrypt(x);
            x[setting] = value;
        });
        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains(expected));
    }

    static CallOptions Token => new(new Metadata { { "authorization", $"Bearer {BearerCredentials.Default}" } },
        DateTime.UtcNow.AddSeconds(20));

    async Task<string> PresentedAsync()
    {
        var presented = "";
        using var handler = NewHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, x, _, errors) =>
        {
            presented = x!.GetCertHashString();
            return errors == SslPolicyErrors.None;
        };
        using var http = new HttpClient(handler) { BaseAddress = _http };
        await http.GetAsync("/health/live");
        return presented;
    }

    HttpClient NewHttpClient() => new(NewHandler()) { BaseAddress = _http };

    GrpcChannel Connect(Uri address) =>
        GrpcChannel.ForAddress(address, new() { HttpHandler = NewHandler(), DisposeHttpClient = true });

    SocketsHttpHandler NewHandler() => new()
    {
        SslOptions =
        {
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                CustomTrustStore = { X509CertificateLoader.LoadCertificateFromFile(_certificates.CaFile) },
            },
        },
    };

    static Uri NewAddress() => new($"https://127.0.0.1:{Servers.Ports.Pick()}");
}
