using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_handlers_are_warmed_up(bool grouped) : MessagingFixture(grouped)
{
    int _consumed;

    [TestCase(false)]
    [TestCase(true)]
    public async Task Should_roll_back_a_consumer(bool withEntity)
    {
        var replica = await StartReplicaAsync();
        var name = Unique("warm-up");

        await WarmUp(replica).Consume<PingConsumer, Ping>(
            new Ping(name), withEntity ? db => db.Add(new Effect { Name = name }) : null, default);

        await AssertNothingIsStoredOrSentAsync(name, replica);
        Assert.That(Log.Contains(LogLevel.Error, "warm-up of a starting service"), Is.False);
    }

    [Test]
    public async Task Should_roll_back_an_rpc()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("warm-up");

        await WarmUp(replica).Work(services =>
        {
            services.GetRequiredService<TestDbContext>().Add(new Effect { Name = name });
            return services.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
        }, default);

        await AssertNothingIsStoredOrSentAsync(name, replica);
    }

    [Test]
    public async Task Should_report_the_failure_of_a_consumer()
    {
        var replica = await StartReplicaAsync();
        var ping = new Ping(Unique("warm-up"), "publish and fail");

        Assert.That(() => WarmUp(replica).Consume<PingConsumer, Ping>(ping, null, default),
            Throws.InvalidOperationException.With.Message.Contains("thrown by the test"));
    }

    static WarmUp<TestDbContext> WarmUp(IHost replica) => replica.Services.GetRequiredService<WarmUp<TestDbContext>>();

    async Task AssertNothingIsStoredOrSentAsync(string name, IHost replica)
    {
        Assert.That(await CountEffectsAsync(name), Is.Zero);
        Assert.That(await ReadOutboxAsync(), Is.Empty);
        Assert.That(await CountInboxAsync(), Is.EqualTo(_consumed));

        // A message that the warm-up had sent would be consumed before this one.
        var after = Unique("after");
        await InScopeAsync(replica, async (db, services) =>
        {
            await services.GetRequiredService<IPublishEndpoint>().Publish(new Pong(after));
            await db.SaveChangesAsync();
        });
        await WaitForPongAsync(after);
        Assert.That(Received.Named(name), Is.Empty);
        await WaitForEmptyOutboxAsync();
        _consumed++;
        await WaitUntilAsync(async () => await CountInboxAsync() == _consumed, "the message to be consumed");
    }

    Task<int> CountInboxAsync() => QueryAsync(db => db.Set<InboxState>().CountAsync());
}
