using System.Text;
using MassTransit;
using Messaging.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;
using Saga.Servers;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Integration"), NonParallelizable]
public sealed class When_messages_are_sent_in_batches() : MessagingFixture(grouped: true)
{
    const string Queue = "note", BatchQueue = "note_batch", ErrorQueue = "note_error";
    const int Count = 60;

    readonly Notes _notes = new();

    [SetUp]
    public void Reset() => _notes.Reset();

    [Test]
    public async Task Should_consume_each_message_once_with_few_amqp_messages()
    {
        var replica = await StartAsync();
        string[] names = [];
        // A sender that was idle for three seconds sends messages alone until it has found the consumer of batches.
        await WaitUntilAsync(async () =>
        {
            _notes.Reset();
            names = await SendAsync(replica, Unique("note"));
            await WaitUntilAsync(() => _notes.Handled.Count >= Count, "all messages");
            return _notes.DeliveryTags.Count(IsInBatch) > Count / 2;
        }, "most messages in batches");

        Assert.That(_notes.Handled, Is.EquivalentTo(names));
        await WaitUntilAsync(async () => await CountAsync(BatchQueue) == 0, "the batches to be acknowledged");
        await WaitForEffectsAsync(names, Count);
    }

    [Test]
    public async Task Should_move_only_the_failed_message_to_the_error_queue_as_an_ordinary_one()
    {
        var replica = await StartAsync();
        _notes.Poison = "poison 7";
        var names = await SendAsync(replica, "poison");
        await WaitUntilAsync(() => _notes.Handled.Count >= Count - 1, "all other messages");
        await WaitUntilAsync(async () => (await Servers.Rabbit.QueuesAsync(Name)).Contains(ErrorQueue)
            && await CountAsync(ErrorQueue) == 1, "the failed message");

        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync();
        var error = (await channel.BasicGetAsync(ErrorQueue, autoAck: true))!;
        Assert.That(error.BasicProperties.ContentType, Is.EqualTo("application/vnd.masstransit+json"));
        Assert.That(Encoding.UTF8.GetString(error.Body.Span), Does.Contain("\"poison 7\""));
        Assert.That(Encoding.UTF8.GetString((byte[])error.BasicProperties.Headers!["MT-Fault-Message"]!),
            Does.Contain("cannot be handled"));
        Assert.That(_notes.Handled, Is.EquivalentTo(names.Where(x => x != "poison 7")));
        await WaitUntilAsync(async () => await CountAsync(BatchQueue) == 0, "the batches to be acknowledged");
    }

    [Test]
    public async Task Should_not_handle_again_what_was_consumed_when_a_batch_is_delivered_again()
    {
        var first = await StartAsync();
        _notes.Blocked = "block 31";
        var names = await SendAsync(first, "block");
        await WaitForEffectsAsync(names, Count - 1);
        await Servers.Rabbit.CloseConnectionsAsync(Name); // the batch with the blocked message is not acknowledged
        _notes.Release();
        await WaitUntilAsync(() => _notes.Handled.Contains("block 31"), "the blocked message");
        await WaitUntilAsync(async () => await CountAsync(BatchQueue) == 0, "the batches to be acknowledged");

        Assert.That(_notes.Handled.Where(x => x != "block 31"), Is.Unique, "no other handler has run again");
        await WaitForEffectsAsync(names, Count);
    }

    [Test]
    public async Task Should_send_messages_alone_while_nobody_consumes_batches()
    {
        var replica = await StartAsync(batches: false);
        var names = await SendAsync(replica, "alone");
        await WaitUntilAsync(() => _notes.Handled.Count >= Count, "all messages");

        Assert.That(_notes.Handled, Is.EquivalentTo(names));
        Assert.That(_notes.DeliveryTags.Where(IsInBatch), Is.Empty);
    }

    [Test]
    public async Task Should_send_messages_alone_after_the_queue_of_batches_was_deleted()
    {
        var replica = await StartAsync();
        await SendAsync(replica, "before");
        await WaitUntilAsync(() => _notes.Handled.Count >= Count, "the messages before");
        _notes.Reset();
        await using (var connection = await ConnectAsync())
        await using (var channel = await connection.CreateChannelAsync())
            await channel.QueueDeleteAsync(BatchQueue);

        var names = await SendAsync(replica, "after");
        await WaitUntilAsync(() => _notes.Handled.Distinct().Count() >= Count, "all messages after");
        Assert.That(_notes.Handled.Distinct(), Is.EquivalentTo(names));
    }

    /// <summary>Starts a replica, and waits until it sends batches to itself.</summary>
    async Task<IHost> StartAsync(bool batches = true)
    {
        // No second sender: a duplicate that is not a redelivery reaches its handler.
        var replica = await StartReplicaAsync(WithoutRecovery, withConsumers: false,
            configure: x =>
            {
                x.AddSingleton(_notes);
                x.AddConsumer<NoteConsumer>();
                x.Configure<RabbitTransportOptions>(o => o.BatchQueues.Add(Queue));
                x.AddConfigureEndpointsCallback((_, _, endpoint) => ConcurrentDeliveries.Use(
                    (IRabbitMqReceiveEndpointConfigurator)endpoint, Count, batches));
            });
        if (!batches)
            return replica;
        await WaitUntilAsync(async () =>
        {
            var count = _notes.Handled.Count;
            await SendAsync(replica, "probe");
            await Wait.UntilAsync(() => Task.FromResult(_notes.Handled.Count >= count + Count), MaxWait,
                () => $"{Count} probes after {count}, now {_notes.Handled.Count}");
            await Task.Delay(200);
            return _notes.DeliveryTags.Any(IsInBatch);
        }, "batches");
        _notes.Reset();
        return replica;
    }

    static bool IsInBatch(ulong deliveryTag) => deliveryTag > long.MaxValue;

    /// <summary>Sends messages in one commit.</summary>
    static async Task<string[]> SendAsync(IHost replica, string prefix)
    {
        string[] names = [.. Enumerable.Range(0, Count).Select(x => $"{prefix} {x}")];
        await InScopeAsync(replica, async (db, scope) =>
        {
            var endpoint = await scope.GetRequiredService<ISendEndpointProvider>()
                .GetSendEndpoint(new Uri($"exchange:{Queue}"));
            foreach (var name in names)
                await endpoint.Send(new Note(name));
            await db.SaveChangesAsync();
        });
        return names;
    }

    /// <summary>Waits for commits: a message counts as handled before its effect is committed.</summary>
    Task WaitForEffectsAsync(string[] names, int count) => WaitUntilAsync(
        async () => await QueryAsync(db => db.Effects.CountAsync(x => names.Contains(x.Name))) == count,
        $"{count} effects");

    async Task<uint> CountAsync(string queue)
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync();
        return await channel.MessageCountAsync(queue);
    }

    Task<IConnection> ConnectAsync() => new ConnectionFactory
    {
        Uri = new Uri(Servers.Rabbit.Amqp(Name)),
    }.CreateConnectionAsync();

    public sealed record Note(string Name);

    /// <summary>What the consumers have done.</summary>
    public sealed class Notes
    {
        readonly Lock _lock = new();
        readonly List<string> _handled = [];
        readonly List<ulong> _tags = [];
        TaskCompletionSource _released = new();

        public string? Poison { get; set; }
        public string? Blocked { get; set; }

        public IReadOnlyList<string> Handled
        {
            get
            {
                lock (_lock)
                    return [.. _handled];
            }
        }

        public IReadOnlyList<ulong> DeliveryTags
        {
            get
            {
                lock (_lock)
                    return [.. _tags];
            }
        }

        public void Reset()
        {
            lock (_lock)
            {
                _handled.Clear();
                _tags.Clear();
                (Poison, Blocked, _released) = (null, null, new());
            }
        }

        public void Release() => _released.TrySetResult();

        public async Task HandleAsync(string name, ulong tag)
        {
            if (name == Poison)
                throw new InvalidOperationException($"{name} cannot be handled");
            if (name == Blocked)
                await _released.Task;
            lock (_lock)
            {
                _handled.Add(name);
                _tags.Add(tag);
            }
        }
    }

    public sealed class NoteConsumer(Notes notes, TestDbContext db) : IConsumer<Note>
    {
        public async Task Consume(ConsumeContext<Note> context)
        {
            db.Effects.Add(new Effect { Name = context.Message.Name });
            var received = context.ReceiveContext.GetPayload<RabbitMqBasicConsumeContext>();
            await notes.HandleAsync(context.Message.Name, received.DeliveryTag);
        }
    }
}
