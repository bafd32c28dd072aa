using MassTransit;
using Messaging.RabbitMq;
using Microsoft.Extensions.DependencyInjection;
using Saga.Servers;
using Service.Defaults;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_messages_are_handled_side_by_side() : MessagingFixture(grouped: true)
{
    const int Limit = 7;

    [Test]
    public async Task Should_handle_as_many_at_once_as_the_limit_says()
    {
        var desk = new Desk();
        var replica = await StartReplicaAsync(consumes: false, more: x =>
        {
            x.AddSingleton(desk);
            x.AddConsumer<TicketConsumer>();
            x.AddConfigureEndpointsCallback((_, _, endpoint) => ConcurrentDeliveries.Use((IRabbitMqReceiveEndpointConfigurator)endpoint, Limit));
        });

        var names = Enumerable.Range(0, 40).Select(i => $"{i} {new string((char)('a' + i % 26), 50 * i)}").ToList();
        await Task.WhenAll(names.Select(x => replica.Services.GetRequiredService<IBus>().Publish(new Ticket(x))));
        await Wait.UntilAsync(() => Task.FromResult(desk.AtOnce == Limit), Patience, () => $"{Limit} at once, not {desk.AtOnce}");
        desk.Open();
        await Wait.UntilAsync(() => Task.FromResult(desk.Done.Count == names.Count), Patience, () => $"{names.Count} handled, not {desk.Done.Count}");

        Assert.That(desk.Done, Is.EquivalentTo(names));
        Assert.That(desk.MaxAtOnce, Is.EqualTo(Limit));
    }

    public sealed record Ticket(string Name);

    /// <summary>Keeps all that come until it opens.</summary>
    public sealed class Desk
    {
        readonly Lock _lock = new();
        readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly List<string> _done = [];
        int _atOnce;
        int _mostAtOnce;

        public int AtOnce => Volatile.Read(ref _atOnce);

        public int MaxAtOnce => Volatile.Read(ref _mostAtOnce);

        public IReadOnlyList<string> Done
        {
            get
            {
                lock (_lock)
                    return [.. _done];
            }
        }

        public void Open() => _open.SetResult();

        public async Task Handle(string name)
        {
            lock (_lock)
                _mostAtOnce = Math.Max(_mostAtOnce, ++_atOnce);
            await _open.Task;
            await Task.Yield();
            lock (_lock)
            {
                _atOnce--;
                _done.Add(name);
            }
        }
    }

    public sealed class TicketConsumer(Desk desk) : IConsumer<Ticket>
    {
        public Task Consume(ConsumeContext<Ticket> context) => desk.Handle(context.Message.Name);
    }
}
