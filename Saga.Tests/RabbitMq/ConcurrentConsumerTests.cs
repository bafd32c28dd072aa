using System.Text;
using Messaging.RabbitMq;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Unit")]
public sealed class When_a_delivery_is_handled_concurrently
{
    [Test]
    public async Task Should_return_at_once_and_copy_the_body_of_each_delivery()
    {
        var inner = new BlockedConsumer();
        var consumer = new ConcurrentConsumer(inner, limit: 2);
        var memory = new byte[1];
        foreach (var letter in "ab")
        {
            memory[0] = (byte)letter; // the client reuses its memory for the next delivery
            await Deliver(consumer, memory);
        }

        inner.Continue.Release(2);
        await inner.WaitForEndAsync();
        await inner.WaitForEndAsync();
        Assert.That(inner.Read, Is.EquivalentTo(new[] { "a", "b" }));
    }

    [Test]
    public async Task Should_wait_at_the_limit_until_a_delivery_ends_or_the_channel_closes()
    {
        var inner = new BlockedConsumer();
        var consumer = new ConcurrentConsumer(inner, limit: 1);
        using var channel = new CancellationTokenSource();
        await Deliver(consumer, [1]);
        var second = Deliver(consumer, [2]);
        var third = Deliver(consumer, [3], channel.Token);
        Assert.That((second.IsCompleted, third.IsCompleted), Is.EqualTo((false, false)));

        inner.Continue.Release();
        await second;
        await channel.CancelAsync();
        Assert.That(() => third, Throws.InstanceOf<OperationCanceledException>());
    }

    /// <summary>The client calls HandleBasicCancelOk after BasicCancel has returned, perhaps long after.</summary>
    [Test]
    public async Task Should_notice_no_end_that_is_a_pause_even_if_it_is_told_after_the_pause()
    {
        var inner = new BlockedConsumer();
        var consumer = new ConcurrentConsumer(inner, limit: 1);
        consumer.Pause();
        await consumer.HandleBasicConsumeOkAsync("tag"); // resumed
        consumer.Pause();
        await consumer.HandleBasicCancelOkAsync("tag"); // of the first pause
        await consumer.HandleBasicCancelOkAsync("tag");
        Assert.That(inner.Ends, Is.Zero);

        await consumer.HandleBasicCancelOkAsync("tag");
        Assert.That(inner.Ends, Is.EqualTo(1));
        consumer.Pause();
        await consumer.EndAsync("tag", default);
        Assert.That(inner.Ends, Is.EqualTo(2));
    }

    static Task Deliver(IAsyncBasicConsumer consumer, byte[] body, CancellationToken cancellationToken = default) =>
        consumer.HandleBasicDeliverAsync(
            "tag", 1, false, "exchange", "", new BasicProperties(), body, cancellationToken);

    /// <summary>Reads one message for each release of <see cref="Continue" />.</summary>
    sealed class BlockedConsumer : IAsyncBasicConsumer
    {
        readonly SemaphoreSlim _ended = new(0);

        public SemaphoreSlim Continue { get; } = new(0);

        public Task WaitForEndAsync() => _ended.WaitAsync(TimeSpan.FromSeconds(10));

        public List<string> Read { get; } = [];

        public int Ends { get; private set; }

        public IChannel? Channel => null;

        public async Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered,
            string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body,
            CancellationToken cancellationToken = default)
        {
            await Continue.WaitAsync(cancellationToken);
            lock (Read)
                Read.Add(Encoding.ASCII.GetString(body.Span));
            _ended.Release();
        }

        public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken = default) =>
            Task.CompletedTask;

        public Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default) =>
            Task.CompletedTask;

        public Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default)
        {
            Ends++;
            return Task.CompletedTask;
        }

        public Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason) => Task.CompletedTask;
    }
}
