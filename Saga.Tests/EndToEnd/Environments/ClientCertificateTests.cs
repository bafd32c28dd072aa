using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Operations.V1;
using Orders.V1;
using Saga.Drill;
using Saga.Services;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_a_service_wants_certificates_of_its_clients : TlsFixture
{
    readonly TestCertificates _clients = new("clients"), _foreign = new("foreign");
    readonly string _tokenFile = Path.GetTempFileName();
    (string Certificate, string Key)? _presented;
    string _clientCaFile = "";

    [SetUp]
    public void Present() => _presented = _clients.Issue("client");

    [OneTimeTearDown]
    public void Delete()
    {
        _clients.Dispose();
        _foreign.Dispose();
        File.Delete(_clientCaFile);
        File.Delete(_tokenFile);
    }

    protected override void Encrypt(IDictionary<string, string> settings)
    {
        base.Encrypt(settings);
        if (_clientCaFile == "") // a copy, which tests change
        {
            _clientCaFile = Path.GetTempFileName();
            File.Copy(_clients.CaFile, _clientCaFile, overwrite: true);
            Present(); // for the wait until the service is ready
        }

        settings["Tls__ClientCaFile"] = _clientCaFile;
    }

    protected override SocketsHttpHandler NewHandler()
    {
        var handler = base.NewHandler();
        if (_presented is not { } files)
            return handler;
        using var read = X509Certificate2.CreateFromPemFile(files.Certificate, files.Key);
        var certificate = X509CertificateLoader.LoadPkcs12(read.Export(X509ContentType.Pkcs12), password: null);
        // Whatever authorities the server names.
        handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => certificate;
        return handler;
    }

    [Test]
    public async Task Should_answer_those_who_have_one_on_all_its_ports()
    {
        using var grpc = Connect(Grpc);
        Assert.That((await new OrderService.OrderServiceClient(grpc).ListOrdersAsync(new(), Token)).Orders, Is.Empty);
        using var operations = Connect(OperationsAddress);
        await new OrderOperations.OrderOperationsClient(operations).ListStuckOrdersAsync(new(), Token);
        using var http = NewHttpClient();
        http.DefaultRequestHeaders.Authorization = new("Bearer", BearerCredentials.Default);
        Assert.That((await http.GetAsync("/v1/orders")).IsSuccessStatusCode, Is.True);
        Assert.That(Service.LogLines("warn"), Has.None.Contains("could not call itself"));
    }

    [TestCase("none"), TestCase("foreign"), TestCase("expired"), TestCase("for servers")]
    public void Should_answer_nobody_without_a_valid_one_of_its_authority(string presented)
    {
        _presented = presented switch
        {
            "foreign" => _foreign.Issue("client"),
            "expired" => _clients.IssueExpired("client"),
            "for servers" => _clients.IssueForServers("client"),
            _ => null,
        };
        using var grpc = Connect(Grpc);
        Assert.That(() => new OrderService.OrderServiceClient(grpc).ListOrdersAsync(new(), Token).ResponseAsync,
            Throws.TypeOf<RpcException>().With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.Unavailable)
                .Or.TypeOf<RpcException>().With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.Internal));
        using var operations = Connect(OperationsAddress);
        Assert.That(() => new OrderOperations.OrderOperationsClient(operations).ListStuckOrdersAsync(new(), Token)
            .ResponseAsync, Throws.TypeOf<RpcException>());
        using var http = NewHttpClient();
        Assert.That(() => http.GetAsync("/health/live"), Throws.InstanceOf<HttpRequestException>());
    }

    [Test, Category("Long")]
    public async Task Should_trust_another_authority_without_a_restart()
    {
        var before = await File.ReadAllTextAsync(_clientCaFile);
        await File.WriteAllTextAsync(_clientCaFile, "no certificate at all");
        await Servers.Wait.UntilAsync(async () => await IsAnsweredAsync()
            && Service.LogLines("fail").Any(x => x.Contains("cannot be used", StringComparison.Ordinal)),
            TimeSpan.FromSeconds(30), () => "a line about the file");

        File.Copy(_foreign.CaFile, _clientCaFile, overwrite: true);
        try
        {
            await Servers.Wait.UntilAsync(async () => !await IsAnsweredAsync(), TimeSpan.FromSeconds(30),
                () => "the authority of before not to be trusted");
            _presented = _foreign.Issue("client");
            Assert.That(await IsAnsweredAsync(), Is.True);
        }
        finally
        {
            await File.WriteAllTextAsync(_clientCaFile, before);
            _presented = _clients.Issue("client");
            await Servers.Wait.UntilAsync(IsAnsweredAsync, TimeSpan.FromSeconds(30), () => "trust as before");
        }
    }

    async Task<bool> IsAnsweredAsync()
    {
        using var http = NewHttpClient();
        try
        {
            return (await http.GetAsync("/health/live")).IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    [Test]
    public async Task Should_answer_the_service_for_operators_which_has_one()
    {
        await using var operators = await StartOperationsAsync(_ => { });
        await operators.Replica.WaitUntilReadyAsync();
        var client = new OperationsService.OperationsServiceClient(operators.Replica.Channel);
        var stuck = await client.ListStuckAsync(new());
        Assert.That(stuck.Missing.Select(x => x.Source), Is.EqualTo(new[] { "Account" }), $"{stuck.Missing}");
    }

    [Test]
    public async Task Should_answer_the_commands_for_operators_with_one()
    {
        var address = NewAddress();
        await using var operators = await StartOperationsAsync(x =>
        {
            x["Kestrel__Endpoints__Grpc__Url"] = $"{address}";
            (x["Tls__CertificateFile"], x["Tls__KeyFile"]) = (CertificateFile, KeyFile);
            x["Tls__ClientCaFile"] = _clientCaFile;
        });
        var command = new OpsCommand(address, BearerCredentials.Default, CaFile);
        var (certificate, key) = _presented!.Value;
        var error = "";
        await Servers.Wait.UntilAsync(async () =>
        {
            (var code, _, error) = await command.RunAsync(["audit", "--certificate", certificate, "--key", key]);
            return code == 0;
        }, TimeSpan.FromSeconds(60), () => $"an answer: {error}");
        Assert.That((await command.RunAsync(["audit"])).Code, Is.EqualTo(2), "the call has failed");
    }

    /// <summary>Starts the service for operators beside this Order.</summary>
    async Task<StartedService> StartOperationsAsync(Action<Dictionary<string, string>> change)
    {
        await File.WriteAllTextAsync(_tokenFile, BearerCredentials.Default);
        var rabbit = (await TestServers.GetAsync()).Rabbit;
        return await StartedService.StartAsync("Operations", x =>
        {
            x["RabbitMq__Management"] = $"{rabbit.Management}";
            x["Services__Order"] = x["Services__Account"] = $"{OperationsAddress}"; // Account is missing
            x["Services__TokenFile"] = _tokenFile;
            (x["Services__CertificateFile"], x["Services__KeyFile"]) = _presented!.Value;
            x["SSL_CERT_FILE"] = CaFile;
            change(x);
        });
    }

    [TestCase("Tls__ClientCaFile", "missing.pem", "missing.pem", TestName = "no authority")]
    public Task Should_refuse_to_start_with(string setting, string value, string expected) =>
        AssertRefusesAsync(setting, value, expected);
}
