using System.Net.Http.Json;
using Grpc.Core;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Operations;
using Saga.Tests.Support;
using Service.Defaults;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_the_service_for_operators_needs_a_token
{
    readonly string _file = Path.GetTempFileName();
    readonly TestClock _clock = new();
    readonly HttpClient _http = new();
    readonly CallerOptions _callers = new();

    [OneTimeTearDown]
    public void Delete()
    {
        _http.Dispose();
        File.Delete(_file);
    }

    ServiceToken FromFile(string file) => new(_http, new IssuerKeys(null!),
        Options.Create(new ServiceOptions { TokenFile = file }), Options.Create(_callers), _clock);

    [Test]
    public async Task Should_read_its_file_again_after_a_minute()
    {
        var token = FromFile(_file);
        await File.WriteAllTextAsync(_file, "first\n");
        Assert.That(await token.GetAsync(default), Is.EqualTo("first"));
        await File.WriteAllTextAsync(_file, "second");
        Assert.That(await token.GetAsync(default), Is.EqualTo("first"));
        _clock.Advance(60);
        Assert.That(await token.GetAsync(default), Is.EqualTo("second"));
    }

    [Test]
    public void Should_say_that_it_has_none() => Assert.That(async () => await FromFile("/missing").GetAsync(default),
        Throws.TypeOf<RpcException>().With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.Unavailable)
            .And.Message.Contains("there is no token to call it with: Could not find file"));

    [Test]
    public async Task Should_ask_the_issuer_with_the_parameters_that_it_needs()
    {
        var issuer = new OpenIdConnectConfiguration { TokenEndpoint = "https://issuer.example/token" };
        var services = new ServiceCollection();
        services.Configure<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme, x =>
            x.ConfigurationManager = new StaticConfigurationManager<OpenIdConnectConfiguration>(issuer));
        await using var provider = services.BuildServiceProvider();
        using var endpoint = new TokenEndpoint();
        using var http = new HttpClient(endpoint);
        var options = new ServiceOptions { ClientId = "operators", ClientSecret = "x" };
        options.Parameters["audience"] = "ordersaga";
        var keys = new IssuerKeys(provider.GetRequiredService<IOptionsMonitor<JwtBearerOptions>>());
        var token = new ServiceToken(http, keys, Options.Create(options), Options.Create(_callers), _clock);

        Assert.That(await token.GetAsync(default), Is.EqualTo("given"));
        Assert.That(endpoint.Form, Does.Contain("scope=admin+operations").And.Contain("audience=ordersaga"));
    }

    [TestCase("{}", "Services:TokenFile")]
    [TestCase("""{"TokenFile":"x","ClientId":"x"}""", "Services:TokenFile")]
    [TestCase("""{"ClientId":"x","ClientSecret":"x"}""", "Authentication:Authority")]
    public void Should_not_start_without_a_way_to_get_one(string settings, string expected)
    {
        var options = System.Text.Json.JsonSerializer.Deserialize<ServiceOptions>(settings)!;
        Assert.That(() => new ServiceTokenCheck(Options.Create(options), Options.Create(_callers)).RunAsync(default),
            Throws.TypeOf<StartException>().With.Message.Contains(expected));
    }

    [TestCase("alice", "", "alice")]
    [TestCase("alice", "alice", "alice")]
    [TestCase("bot", "alice", "bot for alice")]
    public void Should_name_the_operator(string owner, string given, string expected) =>
        Assert.That(OperatorInterceptor.NameOf(owner, given), Is.EqualTo(expected));

    [TestCase("/audit?x=1", "/audit?x=1")]
    [TestCase("//elsewhere.example", "/")]
    [TestCase("https://elsewhere.example", "/")]
    [TestCase("/\\elsewhere.example", "/")]
    [TestCase("/a\r\nSet-Cookie: a=b", "/")]
    [TestCase("/ä", "/")]
    [TestCase("", "/")]
    public void Should_return_to_its_own_pages_only(string target, string expected) =>
        Assert.That(Operations.Web.SignInPage.LocalPath(target), Is.EqualTo(expected));

    sealed class TokenEndpoint : HttpMessageHandler
    {
        public string Form { get; private set; } = "";

        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Form = await request.Content!.ReadAsStringAsync(cancellationToken);
            return new HttpResponseMessage
            {
                Content = JsonContent.Create(new { access_token = "given", token_type = "Bearer", expires_in = 60 }),
            };
        }
    }
}
