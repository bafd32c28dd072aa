using System.Diagnostics;
using System.Text;
using RabbitMQ.Client;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Observability;

[TestFixture, Category("E2E")]
public sealed class When_prometheus_watches_the_services : AlertFixture
{
    [Test]
    public async Task Should_raise_no_alert_for_a_healthy_system()
    {
        var account = await OpenAccountAsync(10_000);
        var (quiet, raised) = (Stopwatch.StartNew(), "");
        await Wait.UntilAsync(async () =>
        {
            await AssertConfirmedAsync(await PlaceOrdersAsync(2, account));
            if (await Prometheus.FiringAsync() is { Count: > 0 } firing)
                (quiet, raised) = (Stopwatch.StartNew(), string.Join(", ", firing));
            return quiet.Elapsed > TimeSpan.FromMinutes(1) / LocalPrometheus.Speed;
        }, MaxWait, () => $"a minute of the configuration without an alert; the last: {raised}", pollMilliseconds: 100);

        Assert.That(await Prometheus.CountPointsAsync("order_duration_seconds_count > 0"), Is.Positive);
    }

    [Test]
    public Task Should_report_messages_that_failed() => AssertAlertsAsync(
        async () =>
        {
            await using var broker = await ConnectAsync();
            await using var channel = await broker.CreateChannelAsync();
            var properties = new BasicProperties
            {
                ContentType = "application/vnd.masstransit+json",
                UserId = System.OrderUser,
            };
            await channel.BasicPublishAsync("", "reserve-funds", mandatory: true, properties,
                Encoding.UTF8.GetBytes("unreadable"));
        },
        ["MessagesFailed reserve-funds_error"],
        async () =>
        {
            await using var broker = await ConnectAsync();
            await using var channel = await broker.CreateChannelAsync();
            await channel.QueuePurgeAsync("reserve-funds_error");
        });

    [Test, Category("Long")]
    public async Task Should_report_that_no_replica_of_account_is_left()
    {
        var account = await OpenAccountAsync(1000);
        await AssertAlertsAsync(
            async () =>
            {
                await System.Accounts[0].KillAsync();
                await CancelOrderAsync(account);
            },
            [
                "OrdersWait Cancelling", $"ReplicaMissing {System.Accounts[0].MetricsAddress.Authority}",
                "ServiceMissing account-service",
            ],
            () => RestartAsync(System.Accounts[0]));
    }

    async Task<IConnection> ConnectAsync() => await new ConnectionFactory
    {
        Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)),
    }.CreateConnectionAsync();
}

[TestFixture, Category("Long")]
public sealed class When_prometheus_watches_replicas_and_the_broker : AlertFixture
{
    protected override OrderSystemOptions Options => new() { OrderReplicas = 2 };

    [Test]
    public Task Should_report_a_replica_that_is_killed() => AssertAlertsAsync(
        () => System.Orders[1].KillAsync(),
        [$"ReplicaMissing {System.Orders[1].MetricsAddress.Authority}"],
        () => RestartAsync(System.Orders[1]));

    [Test]
    public async Task Should_report_that_the_broker_blocks()
    {
        var broker = System.Servers.Rabbit as IStoppableBroker
            ?? throw new IgnoreException("the test needs a broker whose alarms it may raise");
        var account = await OpenAccountAsync(1000);
        await AssertAlertsAsync(
            async () =>
            {
                await broker.SetMemoryAlarmAsync(true);
                await CancelOrderAsync(account);
            },
            ["BrokerBlocks order-service", "MessagesUnsent order-service", "OrdersWait Cancelling"],
            () => broker.SetMemoryAlarmAsync(false));
    }
}
