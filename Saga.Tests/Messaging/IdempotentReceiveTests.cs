using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Saga.Servers;

namespace Saga.Tests.Messaging;

[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_a_message_is_consumed(bool grouped) : MessagingFixture(grouped)
{
    [TestCase("")]
    [TestCase("save")]
    [TestCase("by the injected endpoint")]
    public async Task Should_have_its_effect_and_send_what_it_published(string way)
    {
        var replica = await StartReplicaAsync();
        var name = Unique("plain");

        await PublishAsync(replica, new Ping(name, way), NewId.NextGuid());

        await ArrivesAsync(name);
        Assert.That(await EffectsAsync(name), Is.EqualTo(1));
        await OutboxIsEmptyAsync();
    }

    [TestCase("update and fail")]
    [TestCase("update by a query and fail")]
    public async Task Should_leave_as_it_was_what_a_failing_handler_updated(string way)
    {
        var replica = await StartReplicaAsync();
        var name = Unique(way);
        await InScopeAsync(replica, (db, _) =>
        {
            db.Add(new Effect { Name = name });
            return db.SaveChangesAsync();
        });

        await PublishAsync(replica, new Ping(name, way), NewId.NextGuid());

        await ArriveAfterAllAsync(replica);
        await Wait.UntilAsync(() => Task.FromResult(Log.Contains(LogLevel.Error, "as asked")), Patience, () => "the handler to fail");
        Assert.That(await EffectsAsync(name), Is.EqualTo(1));
    }

    [TestCase("fail after publishing")]
    [TestCase("save and fail")]
    public async Task Should_leave_nothing_when_it_fails(string way)
    {
        var replica = await StartReplicaAsync();
        var name = Unique("failed");

        await PublishAsync(replica, new Ping(name, way), NewId.NextGuid());

        await Wait.UntilAsync(async () => (await Servers.Rabbit.QueuesAsync(Name)).Contains("ping_error"), Patience, () => "the error queue");
        await ArriveAfterAllAsync(replica);
        Assert.That(await EffectsAsync(name), Is.Zero);
        Assert.That(await EffectsAsync("changed"), Is.Zero);
        Assert.That(Arrivals.Of(name), Is.Empty);
        Assert.That(await OutboxAsync(), Is.Empty);
    }

    [Test]
    public async Task Should_have_one_effect_when_it_comes_twice()
    {
        var replica = await StartReplicaAsync();
        var (name, id) = (Unique("twice"), NewId.NextGuid());

        await PublishAsync(replica, new Ping(name), id);
        await ArrivesAsync(name);
        await PublishAsync(replica, new Ping(name), id);

        await ArriveAfterAllAsync(replica);
        Assert.That(await EffectsAsync(name), Is.EqualTo(1));
        Assert.That(Arrivals.Of(name).Select(x => x.MessageId).Distinct().Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_have_one_effect_when_it_comes_fifty_times_at_once()
    {
        var replica = await StartReplicaAsync();
        await StartReplicaAsync();
        var (name, id) = (Unique("fifty"), NewId.NextGuid());

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => PublishAsync(replica, new Ping(name), id)));

        await ArrivesAsync(name);
        await ArriveAfterAllAsync(replica);
        Assert.That(await EffectsAsync(name), Is.EqualTo(1));
        Assert.That(Arrivals.Of(name).Select(x => x.MessageId).Distinct().Count(), Is.EqualTo(1));
        Assert.That(await Servers.Rabbit.QueuesAsync(Name), Does.Not.Contain("ping_skipped"));
    }

    [Test]
    public async Task Should_carry_headers_ids_and_time_to_live()
    {
        var replica = await StartReplicaAsync();
        var (name, id) = (Unique("headers"), NewId.NextGuid());

        await PublishAsync(replica, new Ping(name, "with a header"), id);

        await ArrivesAsync(name);
        var pong = Arrivals.Of(name)[0];
        Assert.That(pong.Headers.Get<string>("colour"), Is.EqualTo("blue"));
        Assert.That(pong.CorrelationId, Is.EqualTo(id));
        Assert.That(pong.InitiatorId ?? pong.ConversationId, Is.Not.Null);
        Assert.That(pong.ExpirationTime, Is.EqualTo(DateTime.UtcNow.AddMinutes(1)).Within(TimeSpan.FromSeconds(30)));
    }

    [Test]
    public async Task Should_be_forgotten_after_the_window()
    {
        var replica = await StartReplicaAsync(o => o.DuplicateDetectionWindow = TimeSpan.FromSeconds(1));
        var (name, id) = (Unique("window"), NewId.NextGuid());
        await PublishAsync(replica, new Ping(name), id);
        await ArrivesAsync(name);
        await Wait.UntilAsync(() => QueryAsync(async db => !await db.Set<InboxState>().AnyAsync(x => x.MessageId == id)), Patience, () => "the inbox row to go");

        await PublishAsync(replica, new Ping(name), id);

        await Wait.UntilAsync(async () => await EffectsAsync(name) == 2, Patience, () => "the message to have its effects again");
    }

    static Task PublishAsync(Microsoft.Extensions.Hosting.IHost replica, Ping ping, Guid id) =>
        replica.Services.GetRequiredService<IBus>().Publish(ping, x => x.MessageId = id);

    /// <summary>Waits until a message has come and gone that was sent after all others.</summary>
    async Task ArriveAfterAllAsync(Microsoft.Extensions.Hosting.IHost replica)
    {
        for (var i = 0; i < 3; i++)
        {
            var last = Unique("last");
            await PublishAsync(replica, new Ping(last), NewId.NextGuid());
            await ArrivesAsync(last);
        }

        await OutboxIsEmptyAsync();
    }
}
