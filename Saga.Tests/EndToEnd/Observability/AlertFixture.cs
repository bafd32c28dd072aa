using Saga.Servers;

namespace Saga.Tests.EndToEnd.Observability;

/// <summary>Runs both services, and Prometheus with the alert rules of <c>deploy/prometheus</c>.</summary>
public abstract class AlertFixture : SystemFixture
{
    internal LocalPrometheus Prometheus { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task StartPrometheusAsync() => Prometheus = await LocalPrometheus.StartAsync(System);

    [OneTimeTearDown]
    public async Task StopPrometheusAsync()
    {
        if (Prometheus != null)
            await Prometheus.DisposeAsync();
    }

    /// <summary>
    /// Asserts that a fault raises these alerts and no others that persist, and that they end with the fault.
    /// </summary>
    protected async Task AssertAlertsAsync(Func<Task> injectAsync, string[] alerts, Func<Task> repairAsync)
    {
        await AuditAsync(); // nothing is on its way when the fault begins
        await Wait.UntilAsync(async () => (await Prometheus.FiringAsync()).Count == 0, MaxWait, () => "no alert");
        await injectAsync();
        try
        {
            await WaitForAlertsAsync(alerts);
        }
        finally
        {
            await repairAsync();
        }

        await WaitForAlertsAsync([]);
    }

    async Task WaitForAlertsAsync(string[] expected)
    {
        IReadOnlyList<string> firing = [];
        await Wait.UntilAsync(async () => (firing = await Prometheus.FiringAsync()).SequenceEqual(expected.Order()),
            MaxWait, () => $"the alerts {string.Join(", ", expected)}; firing: {string.Join(", ", firing)}");
    }

    /// <summary>Places an order and cancels it, so that it waits until Account has released its funds.</summary>
    protected async Task CancelOrderAsync(string account)
    {
        var order = await PlaceOrderAsync(account, 1);
        await Orders.CancelOrderAsync(new global::Orders.V1.CancelOrderRequest { OrderId = order });
    }
}
