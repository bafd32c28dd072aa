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
        using var sending = new PreparedSending(_ => there.Task);
        Assert.That(await StatusAsync(sending), Is.EqualTo(HealthStatus.Unhealthy));
        await sending.StartAsync(default);
        Assert.That(await StatusAsync(sending), Is.EqualTo(HealthStatus.Unhealthy));

        there.SetResult();

        await sending.ExecuteTask!.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.That(await StatusAsync(sending), Is.EqualTo(HealthStatus.Healthy));
    }

    static async Task<HealthStatus> StatusAsync(PreparedSending sending)
    {
        var context = new HealthCheckContext { Registration = new HealthCheckRegistration("sending", sending, HealthStatus.Unhealthy, []) };
        return (await sending.CheckHealthAsync(context)).Status;
    }
}
