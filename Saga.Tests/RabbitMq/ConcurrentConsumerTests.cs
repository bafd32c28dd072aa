using System.Text;
using Messaging.RabbitMq;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Service.Defaults;

namespace Saga.Tests.Unit;

[TestFixture, Category("Unit")]
public sealed class When_a_delivery_is_started
{
    [Test]
    public async Task Should_go_on_to_the_next_and_leave_the_first_what_it_holds()
    {
        var slow = new Slow();
        var consumer = new ConcurrentConsumer(slow, limit: 2);
        var memory = new byte[1];
        foreach (var letter in "ab")
        {
            memory[0] = (byte)letter; // as the client does when a delivery is handled
            await Deliver(consumer, memory);
        }

        slow.GoOn.Release(2);
        await slow.Ended;
        await slow.Ended;
        Assert.That(slow.Read, Is.EquivalentTo(new[] { "a", "b" }));
    }

    [Test]
    public async Task Should_wait_where_there_is_no_room_until_there_is_or_the_channel_ends()
    {
        var slow = new Slow();
        var consumer = new ConcurrentConsumer(slow, limit: 1);
        using var channel = new CancellationTokenSource();
        await Deliver(consumer, [1]);
        var second = Deliver(consumer, [2]);
        var third = Deliver(consumer, [3], channel.Token);
        Assert.That((second.IsCompleted, third.IsCompleted), Is.EqualTo((false, false)));

        slow.GoOn.Release();
        await second;
        await channel.CancelAsync();
        Assert.That(() => third, Throws.InstanceOf<OperationCanceledException>());
    }

    static Task Deliver(IAsyncBasicConsumer consumer, byte[] body, CancellationToken cancellationToken = default) =>
        consumer.HandleBasicDeliverAsync("tag", 1, false, "exchange", "", new BasicProperties(), body, cancellationToken);

    /// <summary>Reads a message when it is told to go on.</summary>
    sealed class Slow : IAsyncBasicConsumer
    {
        readonly SemaphoreSlim _ended = new(0);

        public SemaphoreSlim GoOn { get; } = new(0);

        public Task Ended => _ended.WaitAsync(TimeSpan.FromSeconds(10));

        public List<string> Read { get; } = [];

        public IChannel? Channel => null;

        public async Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey,
            IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            await GoOn.WaitAsync(cancellationToken);
            lock (Read)
                Read.Add(Encoding.ASCII.GetString(body.Span));
            _ended.Release();
        }

        public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken = default) => Task.CompletedTask;

        public Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default) => Task.CompletedTask;

        public Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default) => Task.CompletedTask;

        public Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason) => Task.CompletedTask;
    }
}
