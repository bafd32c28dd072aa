using System.Net;
using System.Net.Sockets;
using Grpc.Health.V1;
using Messaging.RabbitMq;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Saga.Tests.Support;
using Service.Defaults;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Unit")]
public sealed class When_readiness_is_checked
{
    [Test]
    public async Task Should_be_unready_until_the_transport_is_prepared_and_the_bus_has_started()
    {
        var prepared = new TaskCompletionSource();
        var hasStarted = false;
        using var readiness = new TransportReadiness(_ => prepared.Task, () => hasStarted, () => false);
        Assert.That(await StatusAsync(readiness), Is.EqualTo(HealthStatus.Unhealthy));
        await readiness.StartAsync(default);
        Assert.That(await StatusAsync(readiness), Is.EqualTo(HealthStatus.Unhealthy));
        prepared.SetResult();
        Assert.That(async () => await readiness.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(0.1)),
            Throws.TypeOf<TimeoutException>());
        Assert.That(await StatusAsync(readiness), Is.EqualTo(HealthStatus.Unhealthy));

        hasStarted = true;

        await readiness.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.That(await StatusAsync(readiness), Is.EqualTo(HealthStatus.Healthy));
    }

    [Test]
    public async Task Should_be_degraded_while_the_broker_is_unreachable()
    {
        var isUnreachable = false;
        using var readiness = new TransportReadiness(
            token => Task.Delay(Timeout.Infinite, token), () => false, () => isUnreachable);
        await readiness.StartAsync(default);
        Assert.That(await StatusAsync(readiness), Is.EqualTo(HealthStatus.Unhealthy));

        isUnreachable = true;

        Assert.That(await StatusAsync(readiness), Is.EqualTo(HealthStatus.Degraded));
        await readiness.StopAsync(default);
    }

    [Test]
    public async Task Should_be_unready_until_the_warm_up_calls_have_ended_or_failed()
    {
        using var log = new CapturedLog();
        using var logs = LoggerFactory.Create(x => x.SetMinimumLevel(LogLevel.Trace).AddProvider(log));
        using var closed = new TcpListener(IPAddress.Loopback, 0); // reserves a port without listening
        closed.Server.Bind(closed.LocalEndpoint);
        var settings = new Dictionary<string, string?>
        {
            ["Kestrel:Endpoints:Grpc:Url"] = $"http://{closed.Server.LocalEndPoint}",
        };
        var lifetime = new ApplicationLifetime(logs.CreateLogger<ApplicationLifetime>());
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings).Build();
        var tls = new TlsOptions();
        var certificate = new ServerCertificate(tls, new TlsFiles(tls, TlsOptions.Section, TimeProvider.System,
            logs.CreateLogger<TlsFiles>()));
        using var warmUp = new WarmUpCalls(configuration, new WarmUpToken(), certificate, lifetime,
            logs.CreateLogger<WarmUpCalls>(),
        [
            (service, options) =>
                new Health.HealthClient(service).CheckAsync(new HealthCheckRequest(), options).ResponseAsync,
        ]);
        await warmUp.StartAsync(default);
        Assert.That(async () => await warmUp.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(0.1)),
            Throws.TypeOf<TimeoutException>());
        Assert.That(await StatusAsync(warmUp), Is.EqualTo(HealthStatus.Unhealthy));

        lifetime.NotifyStarted();

        await warmUp.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.That(await StatusAsync(warmUp), Is.EqualTo(HealthStatus.Healthy));
        Assert.That(log.Contains(LogLevel.Warning, "could not call itself"), string.Join('\n', log.Last(10)));
    }

    static async Task<HealthStatus> StatusAsync(IHealthCheck check)
    {
        var context = new HealthCheckContext
        {
            Registration = new HealthCheckRegistration("check", check, HealthStatus.Unhealthy, []),
        };
        return (await check.CheckHealthAsync(context)).Status;
    }
}
