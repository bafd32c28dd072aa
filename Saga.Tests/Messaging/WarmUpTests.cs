using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using Saga.Servers;

namespace Saga.Tests.Messaging;

[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_a_service_rehearses(bool grouped) : MessagingFixture(grouped)
{
    int _consumed;

    [TestCase(false)]
    [TestCase(true)]
    public async Task Should_store_and_send_nothing_that_a_consumer_did(bool given)
    {
        var replica = await StartReplicaAsync();
        var name = Unique("rehearsed");

        await WarmUp(replica).Consume<PingConsumer, Ping>(new Ping(name), given ? db => db.Add(new Effect { Name = name }) : null, default);

        await NothingIsLeftOfAsync(name, replica);
        Assert.That(Log.Contains(LogLevel.Error, "rehearsal of a service that starts"), Is.False);
    }

    [Test]
    public async Task Should_store_and_send_nothing_that_a_call_did()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("rehearsed");

        await WarmUp(replica).Work(services =>
        {
            services.GetRequiredService<TestDbContext>().Add(new Effect { Name = name });
            return services.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
        }, default);

        await NothingIsLeftOfAsync(name, replica);
    }

    [Test]
    public async Task Should_say_so_when_the_consumer_fails()
    {
        var replica = await StartReplicaAsync();
        var ping = new Ping(Unique("rehearsed"), "fail after publishing");

        Assert.That(() => WarmUp(replica).Consume<PingConsumer, Ping>(ping, null, default),
            Throws.InvalidOperationException.With.Message.Contains("as asked"));
    }

    static WarmUp<TestDbContext> WarmUp(IHost replica) => replica.Services.GetRequiredService<WarmUp<TestDbContext>>();

    async Task NothingIsLeftOfAsync(string name, IHost replica)
    {
        Assert.That(await EffectsAsync(name), Is.Zero);
        Assert.That(await OutboxAsync(), Is.Empty);
        Assert.That(await InboxAsync(), Is.EqualTo(_consumed));

        // What was sent would have arrived before this.
        var after = Unique("after");
        await InScopeAsync(replica, async (db, services) =>
        {
            await services.GetRequiredService<IPublishEndpoint>().Publish(new Pong(after));
            await db.SaveChangesAsync();
        });
        await ArrivesAsync(after);
        Assert.That(Arrivals.Of(name), Is.Empty);
        await OutboxIsEmptyAsync();
        _consumed++;
        await Wait.UntilAsync(async () => await InboxAsync() == _consumed, Patience, () => "the message to be consumed");
    }

    Task<int> InboxAsync() => QueryAsync(db => db.Set<InboxState>().CountAsync());
}
