using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_a_message_is_consumed(bool grouped) : MessagingFixture(grouped)
{
    [TestCase("")]
    [TestCase("save")]
    [TestCase("publish by the injected endpoint")]
    public async Task Should_commit_its_changes_and_send_its_messages(string behavior)
    {
        var replica = await StartReplicaAsync();
        var name = Unique("plain");

        await PublishAsync(replica, new Ping(name, behavior), NewId.NextGuid());

        await WaitForPongAsync(name);
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(1));
        await WaitForEmptyOutboxAsync();
    }

    [TestCase("update and fail")]
    [TestCase("update by a query and fail")]
    public async Task Should_roll_back_direct_updates_of_a_failed_handler(string behavior)
    {
        var replica = await StartReplicaAsync();
        var name = Unique(behavior);
        await InScopeAsync(replica, (db, _) =>
        {
            db.Add(new Effect { Name = name });
            return db.SaveChangesAsync();
        });

        await PublishAsync(replica, new Ping(name, behavior), NewId.NextGuid());

        await WaitForEarlierMessagesAsync(replica);
        await WaitUntilAsync(() => Log.Contains(LogLevel.Error, "thrown by the test"), "the handler to fail");
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(1));
    }

    [TestCase("publish and fail")]
    [TestCase("save and fail")]
    public async Task Should_store_and_send_nothing_when_the_handler_fails(string behavior)
    {
        var replica = await StartReplicaAsync();
        var name = Unique("failed");

        await PublishAsync(replica, new Ping(name, behavior), NewId.NextGuid());

        await WaitUntilAsync(async () => (await Servers.Rabbit.QueuesAsync(Name)).Contains("ping_error"),
            "the error queue");
        await WaitForEarlierMessagesAsync(replica);
        Assert.That(await CountEffectsAsync(name), Is.Zero);
        Assert.That(await CountEffectsAsync("changed"), Is.Zero);
        Assert.That(Received.Named(name), Is.Empty);
        Assert.That(await ReadOutboxAsync(), Is.Empty);
    }

    [Test]
    public async Task Should_have_one_effect_when_it_is_delivered_twice()
    {
        var replica = await StartReplicaAsync();
        var (name, id) = (Unique("twice"), NewId.NextGuid());

        await PublishAsync(replica, new Ping(name), id);
        await WaitForPongAsync(name);
        await PublishAsync(replica, new Ping(name), id);

        await WaitForEarlierMessagesAsync(replica);
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(1));
        Assert.That(Received.Named(name).Select(x => x.MessageId).Distinct().Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_have_one_effect_when_it_is_delivered_fifty_times_concurrently()
    {
        var replica = await StartReplicaAsync();
        await StartReplicaAsync();
        var (name, id) = (Unique("fifty"), NewId.NextGuid());

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => PublishAsync(replica, new Ping(name), id)));

        await WaitForPongAsync(name);
        await WaitForEarlierMessagesAsync(replica);
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(1));
        Assert.That(Received.Named(name).Select(x => x.MessageId).Distinct().Count(), Is.EqualTo(1));
        Assert.That(await Servers.Rabbit.QueuesAsync(Name), Does.Not.Contain("ping_skipped"));
    }

    [Test]
    public async Task Should_send_headers_ids_and_time_to_live()
    {
        var replica = await StartReplicaAsync();
        var (name, id) = (Unique("headers"), NewId.NextGuid());

        await PublishAsync(replica, new Ping(name, "publish with a header"), id);

        await WaitForPongAsync(name);
        var pong = Received.Named(name)[0];
        Assert.That(pong.Headers.Get<string>("color"), Is.EqualTo("blue"));
        Assert.That(pong.CorrelationId, Is.EqualTo(id));
        Assert.That(pong.InitiatorId ?? pong.ConversationId, Is.Not.Null);
        Assert.That(pong.ExpirationTime, Is.EqualTo(DateTime.UtcNow.AddMinutes(1)).Within(TimeSpan.FromSeconds(30)));
    }

    [Test]
    public async Task Should_be_consumed_again_after_the_duplicate_detection_window()
    {
        var replica = await StartReplicaAsync(o => o.DuplicateDetectionWindow = TimeSpan.FromSeconds(1));
        var (name, id) = (Unique("window"), NewId.NextGuid());
        await PublishAsync(replica, new Ping(name), id);
        await WaitForPongAsync(name);
        await WaitUntilAsync(
            () => QueryAsync(async db => !await db.Set<InboxState>().AnyAsync(x => x.MessageId == id)),
            "the inbox row to be deleted");

        await PublishAsync(replica, new Ping(name), id);

        await WaitUntilAsync(async () => await CountEffectsAsync(name) == 2, "the second effect");
    }

    [TestCase(0)]
    [TestCase(300)]
    public async Task Should_report_no_fault_and_send_once_when_it_is_repeated(int pauseMs)
    {
        var replica = await StartReplicaAsync(WithoutRecovery, retries: false);
        var faults = new FaultCounter();
        replica.Services.GetRequiredService<IBus>().ConnectReceiveObserver(faults);
        var (name, id) = (Unique("repeated"), NewId.NextGuid());

        for (var i = 0; i < 3; i++)
        {
            await PublishAsync(replica, new Ping(name), id);
            await Task.Delay(pauseMs);
        }

        await WaitForEarlierMessagesAsync(replica);
        Assert.That((faults.Count, await CountEffectsAsync(name), Received.Named(name).Length), Is.EqualTo((0, 1, 1)));

        await PublishAsync(replica, new Ping(name, "publish and fail"), NewId.NextGuid());
        await WaitUntilAsync(() => faults.Count == 1, "the fault of a message that is no duplicate");
    }

    sealed class FaultCounter : IReceiveObserver
    {
        int _count;

        public int Count => _count;

        public Task PreReceive(ReceiveContext context) => Task.CompletedTask;

        public Task PostReceive(ReceiveContext context) => Task.CompletedTask;

        public Task PostConsume<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType)
            where T : class => Task.CompletedTask;

        public Task ConsumeFault<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType,
            Exception exception) where T : class
        {
            Interlocked.Increment(ref _count);
            return Task.CompletedTask;
        }

        public Task ReceiveFault(ReceiveContext context, Exception exception) => Task.CompletedTask;
    }

    static Task PublishAsync(IHost replica, Ping ping, Guid id) =>
        replica.Services.GetRequiredService<IBus>().Publish(ping, x => x.MessageId = id);

    /// <summary>Publishes further messages and waits for them, so that all earlier messages are consumed.</summary>
    async Task WaitForEarlierMessagesAsync(IHost replica)
    {
        for (var i = 0; i < 3; i++)
        {
            var last = Unique("last");
            await PublishAsync(replica, new Ping(last), NewId.NextGuid());
            await WaitForPongAsync(last);
        }

        await WaitForEmptyOutboxAsync();
    }
}
