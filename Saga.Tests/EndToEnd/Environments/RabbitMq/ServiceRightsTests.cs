using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>What each login of the broker must not do; every other end-to-end test shows what it can do.</summary>
[TestFixture, Category("E2E")]
public sealed class When_a_login_exceeds_its_rights_in_the_broker : SystemFixture
{
    static readonly string[] OrderQueues = ["order-state", "orders-captured", "order-state_batch"];
    static readonly string[] AccountQueues = ["reserve-funds", "release-funds", "capture-funds", "reserve-funds_batch"];

    readonly string _outsider = TestServers.NewName("outsider");

    [OneTimeSetUp]
    public Task CreateOutsiderAsync() =>
        System.Servers.Rabbit.CreateUserAsync(_outsider, _outsider, System.VirtualHost);

    [OneTimeTearDown]
    public Task DeleteOutsiderAsync() => System.Servers.Rabbit.DeleteUserAsync(_outsider);

    static IEnumerable<TestCaseData> Moves()
    {
        foreach (var (user, queues) in (IEnumerable<(string, string[])>)[("orders", AccountQueues),
            ("accounts", OrderQueues), ("operations", [.. OrderQueues, .. AccountQueues]),
            ("outsider", [.. OrderQueues, .. AccountQueues])])
            foreach (var queue in queues)
                foreach (var (name, move) in MovesAt(queue))
                    yield return new TestCaseData(user, move).SetArgDisplayNames(user, name);

        foreach (var (user, exchange) in (IEnumerable<(string, string)>)[("orders", "Contracts:FundsReserved"),
            ("orders", "Contracts:ReserveFunds"), ("orders", "Contracts:OrdersCaptured"),
            ("accounts", "Contracts:OrderConfirmed"), ("accounts", "Contracts:ReserveFunds"),
            ("accounts", "Orders:OrderSubmitted"), ("accounts", "order-state_error"),
            ("orders", "reserve-funds_error"), ("operations", "Contracts:ReserveFunds"),
            ("operations", "reserve-funds_batch"), ("outsider", "Contracts:ReserveFunds"), ("orders", ""),
            ("accounts", ""), ("operations", ""), ("outsider", "reserve-funds"), ("outsider", "")])
            yield return new TestCaseData(user, Publish(exchange, exchange == "" ? "reserve-funds" : ""))
                .SetArgDisplayNames(user, $"publish to {(exchange == "" ? "the default exchange" : exchange)}");
    }

    static IEnumerable<(string Name, Func<IChannel, Task> Move)> MovesAt(string queue)
    {
        yield return ($"delete {queue}", x => x.QueueDeleteAsync(queue));
        yield return ($"delete the exchange {queue}", x => x.ExchangeDeleteAsync(queue));
        yield return ($"purge {queue}", x => x.QueuePurgeAsync(queue));
        yield return ($"declare {queue} with other arguments", x => x.QueueDeclareAsync(queue, durable: true,
            exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-message-ttl"] = 1 }));
        yield return ($"declare the exchange {queue} as another",
            x => x.ExchangeDeclareAsync(queue, ExchangeType.Direct, durable: true));
        yield return ($"receive from {queue}", x => x.BasicGetAsync(queue, autoAck: true));
        yield return ($"consume {queue}", x => x.BasicConsumeAsync(queue, autoAck: true, new Ignoring(x)));
        yield return ($"bind a queue of its own to {queue}", async x =>
            await x.QueueBindAsync((await x.QueueDeclareAsync()).QueueName, queue, ""));
        yield return ($"bind {queue} to amq.fanout", x => x.QueueBindAsync(queue, "amq.fanout", ""));
        yield return ($"unbind {queue}", x => x.QueueUnbindAsync(queue, queue, "", null));
        yield return ($"declare {queue}_error", x => x.QueueDeclareAsync($"{queue}_error", durable: true,
            exclusive: false, autoDelete: false));
    }

    static Func<IChannel, Task> Publish(string exchange, string routingKey) =>
        x => x.BasicPublishAsync(exchange, routingKey, mandatory: true, new BasicProperties(), "{}"u8.ToArray())
            .AsTask();

    [TestCaseSource(nameof(Moves))]
    public async Task Should_be_refused(string user, Func<IChannel, Task> move)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(AddressOf(user)) }
            .CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        Assert.That(() => move(channel), Throws.InstanceOf<RabbitMQClientException>());
        await Wait.UntilAsync(() => Task.FromResult(channel.IsClosed), MaxWait, () => "the channel to be closed");
        Assert.That(channel.CloseReason!.ReplyCode, Is.EqualTo(Constants.AccessRefused), $"{channel.CloseReason}");
    }

    string AddressOf(string user) => user switch
    {
        "orders" => System.AmqpOf(System.OrderUser),
        "accounts" => System.AmqpOf(System.AccountUser),
        "operations" => System.AmqpOf(System.OperationsUser),
        _ => new UriBuilder(System.AmqpOf(user)) { UserName = _outsider, Password = _outsider }.ToString(),
    };

    sealed class Ignoring(IChannel channel) : AsyncDefaultBasicConsumer(channel);
}
