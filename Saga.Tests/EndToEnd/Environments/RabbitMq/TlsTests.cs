using Messaging.RabbitMq;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using Saga.Servers;
using Saga.Tests.RabbitMq;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture("tlsv1.2", false, Category = "Long"), TestFixture("tlsv1.3", true, Category = "E2E")]
public sealed class When_the_broker_requires_tls(string version, bool verifiesClients)
{
    readonly TestCertificates _trusted = new("authority");
    readonly int _port = Ports.Pick();
    LocalRabbit? _broker;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        var (certificate, key) = _trusted.Issue("localhost");
        _broker = await PrivateBroker.StartAsync("", tls: null,
            $"listeners.ssl.default = 127.0.0.1:{_port}",
            $"ssl_options.cacertfile = {_trusted.CaFile}",
            $"ssl_options.certfile = {certificate}",
            $"ssl_options.keyfile = {key}",
            $"ssl_options.versions.1 = {version}",
            $"ssl_options.verify = {(verifiesClients ? "verify_peer" : "verify_none")}",
            $"ssl_options.fail_if_no_peer_cert = {(verifiesClients ? "true" : "false")}");
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_broker != null)
            await _broker.DisposeAsync();
        _trusted.Dispose();
    }

    [Test]
    public async Task Should_run_a_service_on_an_encrypted_connection()
    {
        await using var service = await StartedService.StartAsync("Account", x =>
        {
            x["ConnectionStrings__RabbitMq"] = Address("localhost", _port);
            x["RabbitMq__CaFile"] = _trusted.CaFile;
            if (verifiesClients)
                (x["RabbitMq__ClientCertificateFile"], x["RabbitMq__ClientKeyFile"]) =
                    _trusted.IssueIndirectly("account-service");
        });
        await service.Replica.WaitUntilReadyAsync();
        Assert.That(await _broker!.QueuesAsync("/"), Does.Contain("reserve-funds"));
    }

    [Test]
    public Task Should_refuse_a_certificate_of_an_authority_that_is_not_configured() =>
        AssertRefusedAsync(Address("localhost", _port), caFile: null, "certificate");

    [Test]
    public async Task Should_refuse_a_certificate_of_another_authority()
    {
        using var other = new TestCertificates("other authority");
        await AssertRefusedAsync(Address("localhost", _port), other.CaFile, "certificate");
    }

    [Test]
    public Task Should_refuse_a_certificate_of_another_host() =>
        AssertRefusedAsync(Address("127.0.0.1", _port), _trusted.CaFile, "certificate");

    [Test]
    public Task Should_not_speak_plaintext_to_a_port_without_tls() =>
        AssertRefusedAsync(Address("localhost", _broker!.Port), _trusted.CaFile, "");

    string Address(string host, int port) => $"amqps://{_broker!.User}:{_broker.Password}@{host}:{port}/";

    async Task AssertRefusedAsync(string address, string? caFile, string reason)
    {
        using var log = new CapturedLog();
        using var logging = new LoggerFactory([log]);
        var (certificate, key) = _trusted.Issue("client");
        var prepared = When_the_broker_is_unreachable.NewConnection(logging.CreateLogger<BrokerConnection>(), x =>
        {
            (x.Address, x.CaFile) = (address, caFile);
            (x.ClientCertificateFile, x.ClientKeyFile) = (certificate, key);
        }).PrepareAsync(new ConnectionFactory { AutomaticRecoveryEnabled = false });
        Assert.That(() => prepared.IsCompleted || log.Contains(LogLevel.Warning, reason),
            Is.True.After(30).Seconds.PollEvery(50).MilliSeconds);
        Assert.That(prepared.IsCompleted, Is.False, "the broker was accepted");
    }
}
