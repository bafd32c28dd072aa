using System.Net.Http.Headers;
using System.Text;
using Messaging.RabbitMq;
using Microsoft.Extensions.DependencyInjection;
using Operations;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;
using Saga.Servers;
using Saga.Tests.Support;

namespace Saga.Tests.Operators;

/// <summary>The rights of the broker's user <c>operations</c> in <c>docker/rabbitmq/definitions.json</c>.</summary>
[TestFixture, Category("Integration")]
public sealed class When_operators_have_the_rights_of_the_definitions
{
    const string Password = "OPERATIONS_PASSWORD";

    static readonly string[] Queues =
        ["order-state", "orders-captured", "reserve-funds", "release-funds", "capture-funds"];

    readonly string _suffix = TestServers.NewName("_rights");
    RabbitServer _rabbit = null!;
    ServiceProvider _provider = null!;

    string VirtualHost => $"ordersaga{_suffix}";

    [OneTimeSetUp]
    public async Task ImportAsync()
    {
        _rabbit = (await TestServers.GetAsync()).Rabbit;
        var definitions = await File.ReadAllTextAsync(
            Path.Combine(Repository.Root, "docker", "rabbitmq", "definitions.json"));
        foreach (var name in new[] { "ordersaga", "admin", "orders", "accounts", "operations" })
            definitions = definitions.Replace($"\"{name}\"", $"\"{name}{_suffix}\"", StringComparison.Ordinal);
        using var http = new HttpClient { BaseAddress = _rabbit.Management };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic",
            Convert.ToBase64String(Encoding.UTF8.GetBytes($"{_rabbit.User}:{_rabbit.Password}")));
        using var content = new StringContent(definitions, Encoding.UTF8, "application/json");
        using var response = await http.PostAsync("api/definitions", content);
        response.EnsureSuccessStatusCode();
        await _rabbit.PermitAllAsync(_rabbit.User, VirtualHost);
        var services = new ServiceCollection();
        services.AddHttpClient<Broker>();
        services.Configure<BrokerOptions>(x => x.Address = Address)
            .Configure<ManagementOptions>(x => x.Management = _rabbit.Management);
        _provider = services.AddSingleton<VisitedMessages>().AddSingleton<DeadLetterQueues>().BuildServiceProvider();
    }

    [OneTimeTearDown]
    public async Task DeleteAsync()
    {
        await _provider.DisposeAsync();
        foreach (var name in new[] { "admin", "orders", "accounts", "operations" })
            await _rabbit.DeleteUserAsync(name + _suffix);
        await _rabbit.DeleteVirtualHostAsync(VirtualHost);
    }

    string Address => $"amqp://operations{_suffix}:{Password}@{_rabbit.Host}:{_rabbit.Port}/{VirtualHost}";

    [Test]
    public async Task Should_count_read_and_return_dead_letters([ValueSource(nameof(Queues))] string queue,
        [Values("_error", "_skipped")] string suffix)
    {
        await DeclareAsync(queue, suffix);
        var broker = _provider.GetRequiredService<Broker>();
        var visits = _provider.GetRequiredService<DeadLetterQueues>();

        Assert.That((await broker.ListQueuesAsync(default)).Keys, Is.SupersetOf(new[] { queue, queue + suffix }));
        Assert.That(await broker.ListAlarmsAsync(default), Is.Empty);
        Assert.That(await CountsAsync(), Is.EqualTo((0, 2)));
        var seen = new List<string>();
        await visits.VisitAsync(queue + suffix, (letter, _) =>
        {
            seen.Add(letter.MessageId);
            return Task.FromResult(VisitDecision.Keep);
        }, default);
        Assert.That(seen, Is.EqualTo(new[] { "0", "1" }));
        Assert.That(await CountsAsync(), Is.EqualTo((0, 2)));
        await visits.VisitAsync(queue + suffix, async (letter, delivery) =>
        {
            var channel = await ConfirmedChannel.OpenAsync(delivery.Connection, null, default);
            await channel.Publish(new CachedString(queue), mandatory: true,
                DeadLetterReader.ReplayProperties(delivery.Properties, $"operations{_suffix}"), delivery.Body, null,
                default);
            return VisitDecision.Remove;
        }, default);
        Assert.That(await CountsAsync(), Is.EqualTo((2, 0)));

        async Task<(uint, uint)> CountsAsync()
        {
            var counts = await broker.CountAsync([queue, $"{queue}_batch", queue + suffix], default);
            return (counts[queue].MessageCount, counts[queue + suffix].MessageCount);
        }
    }

    [Test]
    public async Task Should_not_receive_or_purge_what_services_consume()
    {
        await DeclareAsync("reserve-funds", "_error");
        await using var connection = await ConnectAsync(Address);
        foreach (var attempt in new Func<IChannel, Task>[]
        {
            x => x.BasicGetAsync("reserve-funds", autoAck: true), x => x.QueuePurgeAsync("reserve-funds"),
            x => x.QueueDeleteAsync("reserve-funds_error"),
        })
        {
            await using var channel = await connection.CreateChannelAsync();
            Assert.That(() => attempt(channel), Throws.TypeOf<OperationInterruptedException>()
                .With.Property(nameof(OperationInterruptedException.ShutdownReason))
                .Property(nameof(ShutdownEventArgs.ReplyCode)).EqualTo(Constants.AccessRefused));
        }
    }

    /// <summary>Declares queues as MassTransit does, with two dead letters.</summary>
    async Task DeclareAsync(string queue, string suffix)
    {
        await using var connection = await ConnectAsync(_rabbit.Amqp(VirtualHost));
        await using var channel = await connection.CreateChannelAsync();
        foreach (var name in new[] { queue, $"{queue}_batch", queue + suffix })
        {
            await channel.QueueDeclareAsync(name, durable: true, exclusive: false, autoDelete: false);
            await channel.QueuePurgeAsync(name);
        }

        await channel.ExchangeDeclareAsync(queue, ExchangeType.Fanout, durable: true);
        await channel.QueueBindAsync(queue, queue, "");
        for (var i = 0; i < 2; i++)
            await channel.BasicPublishAsync("", queue + suffix, mandatory: true,
                new BasicProperties { MessageId = $"{i}" }, "{}"u8.ToArray());
    }

    static Task<IConnection> ConnectAsync(string address) =>
        new ConnectionFactory { Uri = new Uri(address) }.CreateConnectionAsync();
}
