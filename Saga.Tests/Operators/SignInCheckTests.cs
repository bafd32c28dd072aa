using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Operations;
using Operations.Web;
using Service.Defaults;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_the_service_for_operators_starts
{
    [TestCase("""{"ClientId":"x"}""", "", "Authentication:Authority")]
    [TestCase("""{"ClientId":"x","ClientSecret":"x","ClientSecretFile":"x"}""", "https://a.example", "Only one of")]
    public void Should_refuse_a_client_that_signs_in_nobody(string settings, string authority, string expected) =>
        Assert.That(() => CheckAsync(settings, authority), Throws.TypeOf<StartException>()
            .With.Message.Contains(expected));

    [TestCase("{}", "")]
    [TestCase("""{"ClientId":"x"}""", "https://a.example")]
    [TestCase("""{"ClientId":"x","ClientSecretFile":"x"}""", "https://a.example")]
    public void Should_accept_a_client_or_none(string settings, string authority) =>
        Assert.That(() => CheckAsync(settings, authority), Throws.Nothing);

    static Task CheckAsync(string settings, string authority) => new SignInCheck(
        Options.Create(JsonSerializer.Deserialize<SignInOptions>(settings)!),
        Options.Create(new CallerOptions { Authority = authority })).RunAsync(default);

    [TestCase("""{"CertificateFile":"x"}""", "together")]
    [TestCase("""{"CertificateFile":"missing.pem","KeyFile":"x"}""", "missing.pem")]
    public void Should_refuse_a_certificate_that_cannot_be_presented(string settings, string expected) =>
        Assert.That(() => new ServiceCertificate(Options.Create(JsonSerializer.Deserialize<ServiceOptions>(settings)!),
            TimeProvider.System, NullLogger<TlsFiles>.Instance).RunAsync(default),
            Throws.TypeOf<StartException>().With.Message.Contains(expected));
}
