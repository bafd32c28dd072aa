using System.Text;
using Messaging.RabbitMq;
using Operations.V1;
using Orders.V1;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Saga.Services;
using Saga.Tests.EndToEnd.Operators;
using Signal = Saga.Servers.Signal;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>Somebody who may publish to a service's queue sends a message in the name of the other service.</summary>
[TestFixture, Category("E2E")]
public sealed class When_a_message_is_forged : OperatorFixture
{
    const string Queue = "reserve-funds", Errors = $"{Queue}_error";

    string _account = "";

    [OneTimeSetUp]
    public async Task OpenAsync() => _account = await OpenAccountAsync(100);

    [TearDown]
    public async Task EmptyErrorsAsync()
    {
        foreach (var queue in new[] { Errors, "order-state_error" })
            await System.Servers.Rabbit.PurgeAsync(System.VirtualHost, queue);
    }

    static IEnumerable<TestCaseData> Forgeries()
    {
        static TestCaseData Case(string name, Func<OrderSystem, string?> user, bool withHeader, string? sender) =>
            new TestCaseData(user, withHeader, sender).SetArgDisplayNames(name);
        yield return Case("unsigned", _ => null, false, "nobody");
        yield return Case("by operators, who have it from nobody", x => x.OperationsUser, false, "nobody");
        yield return Case("by another user", x => x.Servers.Rabbit.User, false, null);
        yield return Case("by another user with the header of a replay", x => x.Servers.Rabbit.User, true, null);
    }

    [TestCaseSource(nameof(Forgeries))]
    public async Task Should_move_a_command_to_the_error_queue_with_an_alarm_and_reserve_nothing(
        Func<OrderSystem, string?> user, bool withHeader, string? sender)
    {
        var order = Guid.NewGuid();
        var before = await UntrustedAsync(System.Accounts[0]);
        var properties = Signed(user(System));
        if (withHeader)
            properties.Headers = new Dictionary<string, object?> { ["Verified-Sender"] = System.OrderUser };

        await PublishAsync(Queue, properties, ReserveFunds(order));

        await WaitForErrorsAsync(Errors, 1);
        Assert.That(await UntrustedAsync(System.Accounts[0]), Is.EqualTo(before + 1));
        Assert.That(await File.ReadAllTextAsync(System.Accounts[0].LogFile), Does.Contain("crit:")
            .And.Contain($"A message of {Queue} is signed by {sender ?? user(System)}"));
        Assert.That((await DeadLettersAsync()).Single().ExceptionType, Does.Contain("UntrustedSenderException"));
        await AssertNothingReservedAsync(order);
    }

    [Test]
    public async Task Should_move_every_message_of_a_batch_to_the_error_queue()
    {
        Guid[] orders = [Guid.NewGuid(), Guid.NewGuid()];
        var (properties, body) = MessageBatch.Write([.. orders.Select(x => new UnconfirmedMessage(
            new CachedString(Queue), mandatory: true, Signed(null), ReserveFunds(x), default))]);

        await PublishAsync(MessageBatch.QueueOf(Queue), properties, body);

        await WaitForErrorsAsync(Errors, 2);
        foreach (var order in orders)
            await AssertNothingReservedAsync(order);
    }

    [Test]
    public async Task Should_not_confirm_an_order_by_an_answer_that_account_has_not_sent()
    {
        var account = await OpenAccountAsync(1);
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            var order = await PlaceOrderAsync(account, 1);
            var answer = Envelope("FundsReserved", $$"""{"orderId":"{{order}}"}""");
            await PublishAsync("order-state", Signed(System.OperationsUser), answer);

            await WaitForErrorsAsync("order-state_error", 1);
            Assert.That((await GetOrderAsync(order)).Status, Is.EqualTo(OrderStatus.Pending));
            await EmptyErrorsAsync();
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        await AuditAsync();
    }

    [Test]
    public async Task Should_stay_a_dead_letter_when_operators_replay_it()
    {
        var order = Guid.NewGuid();
        await PublishAsync(Queue, Signed(System.Servers.Rabbit.User), ReserveFunds(order));
        await WaitForErrorsAsync(Errors, 1);
        var before = await UntrustedAsync(System.Accounts[0]);

        using (var call = Operations.ReplayDeadLetters(new ReplayDeadLettersRequest
        {
            GroupId = (await DeadLettersAsync()).Single().GroupId,
            Operator = Operator,
            Reason = Reason,
        }))
            while (await call.ResponseStream.MoveNext(default))
            {
            }

        await Wait.UntilAsync(async () => await UntrustedAsync(System.Accounts[0]) == before + 1, MaxWait,
            () => "the replayed message to be refused");
        await WaitForErrorsAsync(Errors, 1);
        await AssertNothingReservedAsync(order);
    }

    [Test]
    public async Task Should_not_reach_the_queue_with_the_name_of_the_other_service()
    {
        await using var connection = await new ConnectionFactory
        {
            Uri = new Uri(System.AmqpOf(System.OperationsUser)),
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        Assert.That(async () => await channel.BasicPublishAsync(Queue, "", mandatory: true, Signed(System.OrderUser),
            ReserveFunds(Guid.NewGuid())), Throws.InstanceOf<RabbitMQClientException>());
        Assert.That(channel.CloseReason?.ReplyCode, Is.EqualTo(Constants.PreconditionFailed));
    }

    async Task AssertNothingReservedAsync(Guid order)
    {
        Assert.That(await CountAsync(System.AccountDatabase,
            $"select count(*) from all_reservations where order_id = '{order}'"), Is.Zero);
        await WaitForBalancesAsync(_account, available: 100, held: 0, captured: 0);
    }

    Task WaitForErrorsAsync(string queue, uint count) => Wait.UntilAsync(
        async () => await CountMessagesAsync(queue) == count, MaxWait, () => $"{count} messages in {queue}");

    static async Task<double> UntrustedAsync(ServiceReplica replica) =>
        (await Scrape.ReadAsync(replica)).Sum("messaging_untrusted_messages_total");

    static BasicProperties Signed(string? user) => new()
    {
        MessageId = $"{Guid.NewGuid()}",
        ContentType = "application/vnd.masstransit+json",
        UserId = user,
    };

    byte[] ReserveFunds(Guid order) => Envelope("ReserveFunds",
        $$"""{"orderId":"{{order}}","accountId":"{{_account}}","amount":"10","currency":"EUR"}""");

    static byte[] Envelope(string type, string message) => Encoding.UTF8.GetBytes($$"""
        {"messageId":"{{Guid.NewGuid()}}","messageType":["urn:message:Contracts:{{type}}"],"message":{{message}}}
        """);

    async Task PublishAsync(string queue, BasicProperties properties, ReadOnlyMemory<byte> body)
    {
        await using var connection = await new ConnectionFactory
        {
            Uri = new Uri(System.Servers.Rabbit.Amqp(System.VirtualHost)),
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        await channel.BasicPublishAsync("", queue, mandatory: true, properties, body);
    }
}
