using System.Diagnostics;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Saga.Tests.Messaging;

[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_messages_wait_for_their_time(bool grouped) : MessagingFixture(grouped)
{
    static readonly TimeSpan Lease = TimeSpan.FromMinutes(1);

    [Test]
    public async Task Should_schedule_and_unschedule()
    {
        var replica = await StartReplicaAsync();
        var (kept, dropped) = (Unique("kept"), Unique("dropped"));
        await InScopeAsync(replica, async (db, scope) =>
        {
            var scheduler = scope.GetRequiredService<IMessageScheduler>();
            await scheduler.SchedulePublish(DateTime.UtcNow.AddSeconds(1), new Pong(kept));
            var handle = await scheduler.SchedulePublish(DateTime.UtcNow.AddSeconds(1), new Pong(dropped));
            await db.SaveChangesAsync();
            await scheduler.CancelScheduledPublish<Pong>(handle.TokenId);
            await db.SaveChangesAsync();
        });
        Assert.That(Arrivals.Of(kept), Is.Empty);
        await ArrivesAsync(kept);
        await OutboxIsEmptyAsync();
        Assert.That(Arrivals.Of(dropped), Is.Empty);
    }

    [Test]
    public async Task Should_keep_a_delay_that_is_shorter_than_the_lease()
    {
        var replica = await StartReplicaAsync(o => o.DeliveryLease = Lease);
        var name = Unique("delayed");
        var waited = Stopwatch.StartNew();
        await InScopeAsync(replica, async (db, scope) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name), x => x.Delay = TimeSpan.FromSeconds(1));
            await db.SaveChangesAsync();
        });
        await ArrivesAsync(name);
        Assert.That(waited.Elapsed, Is.GreaterThan(TimeSpan.FromSeconds(0.9)));
        await OutboxIsEmptyAsync();
    }

    [Test]
    public async Task Should_send_what_is_scheduled_for_the_past()
    {
        var replica = await StartReplicaAsync(o => o.DeliveryLease = Lease);
        var name = Unique("past");
        await InScopeAsync(replica, async (db, scope) =>
        {
            await scope.GetRequiredService<IMessageScheduler>().SchedulePublish(DateTime.UtcNow.AddHours(-1), new Pong(name));
            await db.SaveChangesAsync();
        });
        await ArrivesAsync(name);
        await OutboxIsEmptyAsync();
    }

    [TestCase("schedule and cancel", false)]
    [TestCase("cancel and schedule", true)]
    [TestCase("schedule, cancel and schedule", true)]
    public async Task Should_follow_the_consumers_last_word(string way, bool arrives)
    {
        var replica = await StartReplicaAsync(more: x => x.AddConsumer<PlanConsumer>());
        var (name, token) = (Unique("plan"), NewId.NextGuid());
        if (way == "cancel and schedule")
            await InScopeAsync(replica, async (db, scope) =>
            {
                await scope.GetRequiredService<IMessageScheduler>().ScheduleSend(PlanConsumer.PongQueue, DateTime.UtcNow.AddHours(1),
                    new Pong(name), Pipe.Execute<SendContext<Pong>>(x => x.ScheduledMessageId = token));
                await db.SaveChangesAsync();
            });

        await replica.Services.GetRequiredService<IBus>().Publish(new Plan(name, way, token));

        await ArrivesAsync($"{name} handled");
        if (arrives)
            await ArrivesAsync(name);
        await OutboxIsEmptyAsync();
        Assert.That(Arrivals.Of(name), Has.Length.EqualTo(arrives ? 1 : 0));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Should_not_matter_when_another_scheduler_was_added(bool first)
    {
        var replica = await StartReplicaAsync(more: x =>
        {
            if (first)
                x.RemoveAll<IMessageScheduler>();
            x.AddDelayedMessageScheduler();
            if (first)
                x.AddEntityFrameworkOutbox<TestDbContext>(o => o.UseBusOutbox());
        });
        var name = Unique("dropped");
        await InScopeAsync(replica, async (db, scope) =>
        {
            var scheduler = scope.GetRequiredService<IMessageScheduler>();
            var handle = await scheduler.SchedulePublish(DateTime.UtcNow.AddHours(1), new Pong(name));
            await db.SaveChangesAsync();
            Assert.That(await OutboxAsync(), Has.Count.EqualTo(1));
            await scheduler.CancelScheduledPublish<Pong>(handle.TokenId);
            await db.SaveChangesAsync();
        });
        Assert.That(await OutboxAsync(), Is.Empty);
    }

    /// <summary>Asks for schedules through the injected scheduler.</summary>
    public sealed record Plan(string Name, string Way, Guid Token);

    public sealed class PlanConsumer(IMessageScheduler scheduler) : IConsumer<Plan>
    {
        public static readonly Uri PongQueue = new("exchange:pong");

        public async Task Consume(ConsumeContext<Plan> context)
        {
            foreach (var step in context.Message.Way.Split([", ", " and "], StringSplitOptions.None))
                if (step == "cancel")
                    await scheduler.CancelScheduledSend(PongQueue, context.Message.Token);
                else
                    await scheduler.ScheduleSend(PongQueue, DateTime.UtcNow.AddSeconds(0.5), new Pong(context.Message.Name),
                        Pipe.Execute<SendContext<Pong>>(x => x.ScheduledMessageId = context.Message.Token));
            await context.Publish(new Pong($"{context.Message.Name} handled"));
        }
    }
}
