using Contracts;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Saga.Servers;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd;

/// <summary>Account's answers about captured funds, as builds of all ages send them.</summary>
[TestFixture, Category("E2E")]
public sealed class When_funds_are_captured : SystemFixture
{
    const string Queue = "orders-captured";

    ServiceProvider _sender = null!;

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Saga__ResendDelay"] = "01:00:00", // only the answer of a test settles an order
        ["Saga__MaxResendDelay"] = "01:00:00",
    };

    [OneTimeSetUp]
    public async Task StartSenderAsync()
    {
        _sender = new ServiceCollection().AddMassTransit(x =>
        {
            x.DisableUsageTelemetry();
            x.UsingRabbitMq((_, rabbit) =>
            {
                rabbit.Connect(System.Servers.Rabbit, System.VirtualHost);
                rabbit.SignAs(System.AccountUser);
            });
        }).BuildServiceProvider();
        await _sender.GetRequiredService<IBusControl>().StartAsync(TimeSpan.FromSeconds(20));
    }

    [OneTimeTearDown]
    public async Task StopSenderAsync()
    {
        await _sender.GetRequiredService<IBusControl>().StopAsync(TimeSpan.FromSeconds(20));
        await _sender.DisposeAsync();
    }

    [Test]
    public async Task Should_settle_all_orders_of_one_answer()
    {
        var orders = await ConfirmOrdersAsync(3, isAnswered: false);

        await AnswerAsync(new OrdersCaptured([.. orders, orders[0]]));

        await WaitUntilSettledAsync(orders);
        await AuditAsync();
    }

    [Test]
    public async Task Should_settle_an_order_by_the_event_of_an_older_account()
    {
        var orders = await ConfirmOrdersAsync(1, isAnswered: false);
        await _sender.GetRequiredService<IBus>().Publish(new FundsCaptured(orders[0]));
        await WaitUntilSettledAsync(orders);
    }

    [Test]
    public async Task Should_move_an_answer_to_the_error_queue_that_contradicts_an_order()
    {
        var orders = await ConfirmOrdersAsync(2, isAnswered: true);
        var rejected = Guid.Parse(await PlaceOrderAsync(await OpenAccountAsync(0), 1));
        Assert.That((await WaitForEndAsync($"{rejected}")).Status, Is.EqualTo(global::Orders.V1.OrderStatus.Rejected));
        var missing = NewId.NextSequentialGuid();

        await AnswerAsync(new OrdersCaptured([orders[0], rejected]));
        await AnswerAsync(new OrdersCaptured([missing, orders[1]]));

        var log = "";
        foreach (var reason in new[]
        {
            $"order {rejected}, which is Rejected and not confirmed", $"order {missing}, which does not exist",
        })
            await Wait.UntilAsync(async () => (log = await File.ReadAllTextAsync(System.Orders[0].LogFile))
                .Contains(reason, StringComparison.Ordinal), MaxWait, () => $"{reason}:\n{log}");
        await Wait.UntilAsync(async () => await CountMessagesAsync($"{Queue}_error") == 2, MaxWait,
            () => "both answers in the error queue");
        await System.Servers.Rabbit.PurgeAsync(System.VirtualHost, $"{Queue}_error");
    }

    [Test]
    public async Task Should_postpone_an_answer_about_an_order_in_a_state_of_a_newer_build()
    {
        var orders = await ConfirmOrdersAsync(2, isAnswered: false);
        await SetAsync([orders[0]], "current_state = 'Shipping'");

        await AnswerAsync(new OrdersCaptured([.. orders]));

        await WaitUntilSettledAsync([orders[1]]);
        await SetAsync([orders[0]], "current_state = 'Confirmed'");
        await WaitUntilSettledAsync(orders);
        await AuditAsync();
    }

    /// <summary>Confirms orders, whose funds are captured, and makes Order forget that unless told otherwise.</summary>
    async Task<Guid[]> ConfirmOrdersAsync(int count, bool isAnswered)
    {
        var ids = await PlaceOrdersAsync(count, await OpenAccountAsync(count));
        await AssertConfirmedAsync(ids);
        Guid[] orders = [.. ids.Select(Guid.Parse)];
        await WaitUntilSettledAsync(orders);
        if (!isAnswered)
            await SetAsync(orders, "resend_time = now() + interval '1 hour'");
        return orders;
    }

    async Task AnswerAsync(OrdersCaptured answer) => await (await _sender.GetRequiredService<IBus>()
        .GetSendEndpoint(new Uri($"exchange:{Queue}"))).Send(answer);

    Task SetAsync(Guid[] orders, string change) =>
        ExecuteAsync(System.OrderDatabase, $"update orders set {change} where order_id in ({List(orders)})");

    Task WaitUntilSettledAsync(Guid[] orders) => Wait.UntilAsync(async () => await CountAsync(System.OrderDatabase,
        $"select count(*) from orders where resend_time is null and order_id in ({List(orders)})") == orders.Length,
        MaxWait, () => "the orders to wait for Account no longer");

    static string List(Guid[] orders) => string.Join(", ", orders.Select(x => $"'{x}'"));
}
