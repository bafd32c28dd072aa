using MassTransit;
using Messaging.RabbitMq;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;
using Saga.Servers;
using Saga.Tests.Support;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Integration")]
public sealed class When_a_queue_is_paused() : MessagingFixture(grouped: true)
{
    const string Queue = "letter";

    static readonly QueuePauses Pauses = new();

    [TearDown]
    public Task ResumeAsync() => Pauses.SetAsync([]);

    [TestCase(false)]
    [TestCase(true)]
    public async Task Should_leave_its_messages_in_the_broker_until_it_is_resumed(bool isPausedAtTheStart)
    {
        if (isPausedAtTheStart)
            await Pauses.SetAsync([Queue]);
        var (replica, consumed) = await StartAsync();
        if (!isPausedAtTheStart)
        {
            await SendAsync(replica, 1);
            await Wait.UntilAsync(() => Task.FromResult(consumed.Count == 1), MaxWait, () => "the first letter");
            await Pauses.SetAsync([Queue]);
        }

        var before = consumed.Count;
        Assert.That(await CountAsync(), Is.EqualTo((Messages: 0, Consumers: 0)));
        await SendAsync(replica, 20);
        await Wait.UntilAsync(async () => await CountAsync() == (20, 0), MaxWait, () => "20 letters in the queue");
        Assert.That(consumed, Has.Count.EqualTo(before));
        Assert.That(replica.Services.GetRequiredService<IBusControl>().CheckHealth().Status,
            Is.EqualTo(BusHealthStatus.Healthy));

        await Pauses.SetAsync([]);

        await Wait.UntilAsync(() => Task.FromResult(consumed.Count == before + 20), MaxWait, () => "all letters");
        await Wait.UntilAsync(async () => await CountAsync() == (0, 1), MaxWait, () => "one consumer");
    }

    [Test]
    public async Task Should_pause_and_resume_repeatedly_while_messages_arrive()
    {
        var (replica, consumed) = await StartAsync();
        var sending = Task.Run(async () =>
        {
            for (var i = 0; i < 6; i++)
                await SendAsync(replica, 10);
        });
        for (var i = 0; i < 4; i++)
        {
            await Pauses.SetAsync([Queue]);
            await Pauses.SetAsync([]);
        }

        await sending;
        var queue = (Messages: 0, Consumers: 0);
        await Wait.UntilAsync(async () =>
        {
            queue = await CountAsync();
            return consumed.Count == 60;
        }, MaxWait, () => $"60 letters, not {consumed.Count}; the queue has {queue}");
        Assert.That(consumed.Distinct().Count(), Is.EqualTo(60));
    }

    [Test]
    public async Task Should_stop_its_service_at_once()
    {
        var (replica, _) = await StartAsync();
        await Pauses.SetAsync([Queue]);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await replica.Services.GetRequiredService<IBusControl>().StopAsync(limit.Token);
        Assert.That(limit.IsCancellationRequested, Is.False);
    }

    async Task<(IHost Replica, List<int> Consumed)> StartAsync()
    {
        var consumed = new List<int>();
        var replica = await StartReplicaAsync(withConsumers: false, configure: x =>
        {
            x.AddHandler<Letter>(context =>
            {
                lock (consumed)
                    consumed.Add(context.Message.Number);
                return Task.CompletedTask;
            }).Endpoint(e => e.Name = Queue);
            x.AddConfigureEndpointsCallback((_, _, endpoint) => ConcurrentDeliveries.Use(
                (IRabbitMqReceiveEndpointConfigurator)endpoint, limit: 10, batches: true, Pauses));
        });
        return (replica, consumed);
    }

    int _number;

    async Task SendAsync(IHost replica, int count)
    {
        for (var i = 0; i < count; i++)
            await replica.Services.GetRequiredService<IBus>().Publish(new Letter(Interlocked.Increment(ref _number)));
    }

    async Task<(int Messages, int Consumers)> CountAsync()
    {
        var factory = new ConnectionFactory { Uri = new Uri(Servers.Rabbit.Amqp(Name)) };
        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        var found = await channel.QueueDeclarePassiveAsync(Queue);
        return ((int)found.MessageCount, (int)found.ConsumerCount);
    }

    public sealed record Letter(int Number);
}
