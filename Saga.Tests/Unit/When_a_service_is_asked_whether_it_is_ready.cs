using Microsoft.Extensions.Diagnostics.HealthChecks;
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
        using var bus = new PreparedBus(_ => there.Task, () => hasStarted, () => false);
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
        using var bus = new PreparedBus(token => Task.Delay(Timeout.Infinite, token), () => false, () => isAway);
        await bus.StartAsync(default);
        Assert.That(await StatusAsync(bus), Is.EqualTo(HealthStatus.Unhealthy));

        isAway = true;

        Assert.That(await StatusAsync(bus), Is.EqualTo(HealthStatus.Degraded));
        await bus.StopAsync(default);
    }

    static async Task<HealthStatus> StatusAsync(PreparedBus bus)
    {
        var context = new HealthCheckContext { Registration = new HealthCheckRegistration("bus", bus, HealthStatus.Unhealthy, []) };
        return (await bus.CheckHealthAsync(context)).Status;
    }
}
