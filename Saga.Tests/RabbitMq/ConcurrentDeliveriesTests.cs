using MassTransit;
using Messaging.RabbitMq;
using Microsoft.Extensions.DependencyInjection;
using Saga.Servers;
using Saga.Tests.Support;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Integration")]
public sealed class When_messages_are_handled_concurrently() : MessagingFixture(grouped: true)
{
    const int Limit = 7;

    [Test]
    public async Task Should_handle_as_many_concurrently_as_the_limit_allows()
    {
        var gate = new Gate();
        var replica = await StartReplicaAsync(withConsumers: false, configure: x =>
        {
            x.AddSingleton(gate);
            x.AddConsumer<TicketConsumer>();
            x.AddConfigureEndpointsCallback((_, _, endpoint) =>
                ConcurrentDeliveries.Use((IRabbitMqReceiveEndpointConfigurator)endpoint, Limit));
        });

        var names = Enumerable.Range(0, 40).Select(i => $"{i} {new string((char)('a' + i % 26), 50 * i)}").ToList();
        await Task.WhenAll(names.Select(x => replica.Services.GetRequiredService<IBus>().Publish(new Ticket(x))));
        await Wait.UntilAsync(() => Task.FromResult(gate.Current == Limit), MaxWait,
            () => $"{Limit} concurrent messages, not {gate.Current}");
        gate.Open();
        await Wait.UntilAsync(() => Task.FromResult(gate.Handled.Count == names.Count), MaxWait,
            () => $"{names.Count} handled messages, not {gate.Handled.Count}");

        Assert.That(gate.Handled, Is.EquivalentTo(names));
        Assert.That(gate.Max, Is.EqualTo(Limit));
    }

    public sealed record Ticket(string Name);

    /// <summary>Blocks all messages until it opens, and counts the concurrent ones.</summary>
    public sealed class Gate
    {
        readonly Lock _lock = new();
        readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly List<string> _handled = [];
        int _current;
        int _max;

        public int Current => Volatile.Read(ref _current);

        public int Max => Volatile.Read(ref _max);

        public IReadOnlyList<string> Handled
        {
            get
            {
                lock (_lock)
                    return [.. _handled];
            }
        }

        public void Open() => _open.SetResult();

        public async Task Handle(string name)
        {
            lock (_lock)
                _max = Math.Max(_max, ++_current);
            await _open.Task;
            await Task.Yield();
            lock (_lock)
            {
                _current--;
                _handled.Add(name);
            }
        }
    }

    public sealed class TicketConsumer(Gate gate) : IConsumer<Ticket>
    {
        public Task Consume(ConsumeContext<Ticket> context) => gate.Handle(context.Message.Name);
    }
}
