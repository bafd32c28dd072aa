using System.Net.Security;
using Orders.V1;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_a_service_serves_tls : TlsFixture
{
    [Test]
    public async Task Should_answer_on_all_its_ports()
    {
        using var grpc = Connect(Grpc);
        var list = await new OrderService.OrderServiceClient(grpc).ListOrdersAsync(new(), Token);
        Assert.That(list.Orders, Is.Empty);
        using var operations = Connect(OperationsAddress);
        await new Operations.V1.OrderOperations.OrderOperationsClient(operations).ListStuckOrdersAsync(new(), Token);
        using var http = NewHttpClient();
        http.DefaultRequestHeaders.Authorization = new("Bearer", BearerCredentials.Default);
        Assert.That((await http.GetAsync("/v1/orders")).IsSuccessStatusCode, Is.True);
        Assert.That(Service.LogLines("warn"), Has.None.Contains("could not call itself"));
    }

    [Test]
    public void Should_not_answer_without_tls() => Assert.That(async () =>
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://{Http.Authority}") };
        await http.GetAsync("/health/ready");
    }, Throws.InstanceOf<HttpRequestException>());

    [Test]
    public async Task Should_present_another_certificate_without_a_restart()
    {
        using var open = Connect(Grpc);
        var client = new OrderService.OrderServiceClient(open);
        await client.ListOrdersAsync(new(), Token);
        var before = await PresentedAsync();

        await File.WriteAllTextAsync(CertificateFile, "half of a");
        await Servers.Wait.UntilAsync(async () => await PresentedAsync() == before
            && Service.LogLines("fail").Any(x => x.Contains("cannot be used", StringComparison.Ordinal)),
            TimeSpan.FromSeconds(30), () => "a line about the certificate");
        IssueCertificate();
        await Servers.Wait.UntilAsync(async () => await PresentedAsync() != before, TimeSpan.FromSeconds(30),
            () => "the new certificate");

        await client.ListOrdersAsync(new(), Token);
    }

    [TestCase("Tls__CertificateFile", "", "Kestrel:Endpoints:", TestName = "no certificate")]
    [TestCase("Tls__KeyFile", "missing.key", "missing.key", TestName = "no key")]
    public Task Should_refuse_to_start_with(string setting, string value, string expected) =>
        AssertRefusesAsync(setting, value, expected);

    async Task<string> PresentedAsync()
    {
        var presented = "";
        using var handler = NewHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, x, _, errors) =>
        {
            presented = x!.GetCertHashString();
            return errors == SslPolicyErrors.None;
        };
        using var http = new HttpClient(handler) { BaseAddress = Http };
        await http.GetAsync("/health/live");
        return presented;
    }
}
