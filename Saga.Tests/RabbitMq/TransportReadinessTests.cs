using System.Net;
using System.Net.Sockets;
using Grpc.Health.V1;
using Messaging.RabbitMq;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging;
using Saga.Tests.Messaging;
using Service.Defaults;

namespace Saga.Tests.Unit;

[TestFixture, Category("Unit")]
public sealed class When_a_service_is_asked_whether_it_is_ready
{
    [Test]
    public async Task Should_not_be_before_what_it_sends_by_is_there()
    {
        var there = new TaskCompletionSource();
        var hasStarted = false;
        using var bus = new TransportReadiness(_ => there.Task, () => hasStarted, () => false);
        Assert.That(await StatusAsync(bus), Is.EqualTo(HealthStatus.Unhealthy));
        await bus.StartAsync(default);
        Assert.That(await StatusAsync(bus), Is.EqualTo(HealthStatus.Unhealthy));
        there.SetResult();
        Assert.That(async () => await bus.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(0.1)), Throws.TypeOf<TimeoutException>());
        Assert.That(await StatusAsync(bus), Is.EqualTo(HealthStatus.Unhealthy));

        hasStarted = true;

        await bus.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.That(await StatusAsync(bus), Is.EqualTo(HealthStatus.Healthy));
    }

    [Test]
    public async Task Should_be_ready_without_a_broker()
    {
        var isAway = false;
        using var bus = new TransportReadiness(token => Task.Delay(Timeout.Infinite, token), () => false, () => isAway);
        await bus.StartAsync(default);
        Assert.That(await StatusAsync(bus), Is.EqualTo(HealthStatus.Unhealthy));

        isAway = true;

        Assert.That(await StatusAsync(bus), Is.EqualTo(HealthStatus.Degraded));
        await bus.StopAsync(default);
    }

    [Test]
    public async Task Should_not_be_before_it_has_called_itself_or_could_not()
    {
        using var log = new CapturedLog();
        using var logs = LoggerFactory.Create(x => x.SetMinimumLevel(LogLevel.Trace).AddProvider(log));
        using var closed = new TcpListener(IPAddress.Loopback, 0); // has a port, which nobody else takes, and does not listen
        closed.Server.Bind(closed.LocalEndpoint);
        var settings = new Dictionary<string, string?> { ["Kestrel:Endpoints:Grpc:Url"] = $"http://{closed.Server.LocalEndPoint}" };
        var lifetime = new ApplicationLifetime(logs.CreateLogger<ApplicationLifetime>());
        using var first = new WarmUpCalls(new ConfigurationBuilder().AddInMemoryCollection(settings).Build(), lifetime, logs.CreateLogger<WarmUpCalls>(),
            [(service, options) => new Health.HealthClient(service).CheckAsync(new HealthCheckRequest(), options).ResponseAsync]);
        await first.StartAsync(default);
        Assert.That(async () => await first.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(0.1)), Throws.TypeOf<TimeoutException>());
        Assert.That(await StatusAsync(first), Is.EqualTo(HealthStatus.Unhealthy));

        lifetime.NotifyStarted();

        await first.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.That(await StatusAsync(first), Is.EqualTo(HealthStatus.Healthy));
        Assert.That(log.Contains(LogLevel.Warning, "could not call itself"), string.Join('\n', log.Last(10)));
    }

    static async Task<HealthStatus> StatusAsync(IHealthCheck check)
    {
        var context = new HealthCheckContext { Registration = new HealthCheckRegistration("check", check, HealthStatus.Unhealthy, []) };
        return (await check.CheckHealthAsync(context)).Status;
    }
}
