using System.Diagnostics;
using System.Text.Json;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_messages_are_scheduled(bool grouped) : MessagingFixture(grouped)
{
    [Test]
    public async Task Should_send_scheduled_messages_unless_they_are_cancelled()
    {
        var replica = await StartReplicaAsync();
        var (kept, cancelled) = (Unique("kept"), Unique("cancelled"));
        await InScopeAsync(replica, async (db, scope) =>
        {
            var scheduler = scope.GetRequiredService<IMessageScheduler>();
            await scheduler.SchedulePublish(DateTime.UtcNow.AddSeconds(1), new Pong(kept));
            var handle = await scheduler.SchedulePublish(DateTime.UtcNow.AddHours(1), new Pong(cancelled));
            await db.SaveChangesAsync();
            await scheduler.CancelScheduledPublish<Pong>(handle.TokenId);
            await db.SaveChangesAsync();
        });
        await WaitForPongAsync(kept);
        await WaitForEmptyOutboxAsync(); // a message that is not cancelled stays there for an hour
        Assert.That(Received.Named(cancelled), Is.Empty);
    }

    [Test]
    public async Task Should_respect_a_short_delay()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("delayed");
        var waited = Stopwatch.StartNew();
        await InScopeAsync(replica, async (db, scope) =>
        {
            await scope.GetRequiredService<IPublishEndpoint>()
                .Publish(new Pong(name), x => x.Delay = TimeSpan.FromSeconds(1));
            await db.SaveChangesAsync();
        });
        await WaitForPongAsync(name);
        Assert.That(waited.Elapsed, Is.GreaterThan(TimeSpan.FromSeconds(0.9)));
        await WaitForEmptyOutboxAsync();
    }

    [Test]
    public async Task Should_send_a_message_that_is_scheduled_for_the_past()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("past");
        await InScopeAsync(replica, async (db, scope) =>
        {
            await scope.GetRequiredService<IMessageScheduler>()
                .SchedulePublish(DateTime.UtcNow.AddHours(-1), new Pong(name));
            await db.SaveChangesAsync();
        });
        await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();
    }

    [Test]
    public async Task Should_count_the_time_to_live_from_the_scheduled_time()
    {
        var replica = await StartReplicaAsync(o => o.UseBusOutbox(b => b.DisableDeliveryService()));
        await InScopeAsync(replica, async (db, scope) =>
        {
            var (scheduler, due) = (scope.GetRequiredService<IMessageScheduler>(), DateTime.UtcNow.AddHours(1));
            var handle = await scheduler.SchedulePublish(due, new Pong("short-lived"),
                Pipe.Execute<SendContext<Pong>>(x => x.TimeToLive = TimeSpan.FromMinutes(1)));
            await db.SaveChangesAsync();
            var row = (await ReadOutboxAsync()).Single();
            Assert.That(row.ExpirationTime - row.EnqueueTime, Is.EqualTo(TimeSpan.FromMinutes(1)));
            var envelope = JsonDocument.Parse(row.Body).RootElement.GetProperty("expirationTime").GetDateTime();
            Assert.That(envelope, Is.EqualTo(due.AddMinutes(1)).Within(TimeSpan.FromSeconds(5)));
            await scheduler.CancelScheduledPublish<Pong>(handle.TokenId);
            await db.SaveChangesAsync();
        });
    }

    [TestCase("schedule and cancel", false)]
    [TestCase("cancel and schedule", true)]
    [TestCase("schedule, cancel and schedule", true)]
    public async Task Should_apply_the_last_operation_of_the_consumer(string operations, bool isSent)
    {
        var replica = await StartReplicaAsync(configure:
            x => x.AddConsumer<RunSchedulerConsumer>());
        var (name, token) = (Unique("operations"), NewId.NextGuid());
        if (operations == "cancel and schedule")
            await InScopeAsync(replica, async (db, scope) =>
            {
                await scope.GetRequiredService<IMessageScheduler>().ScheduleSend(
                    RunSchedulerConsumer.PongQueue, DateTime.UtcNow.AddHours(1), new Pong(name),
                    Pipe.Execute<SendContext<Pong>>(x => x.ScheduledMessageId = token));
                await db.SaveChangesAsync();
            });

        await replica.Services.GetRequiredService<IBus>().Publish(new RunScheduler(name, operations, token));

        await WaitForPongAsync($"{name} handled");
        if (isSent)
            await WaitForPongAsync(name);
        await WaitForEmptyOutboxAsync();
        Assert.That(Received.Named(name), Has.Length.EqualTo(isSent ? 1 : 0));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Should_use_the_outbox_whatever_other_scheduler_is_registered(bool first)
    {
        var replica = await StartReplicaAsync(configure: x =>
        {
            if (first)
                x.RemoveAll<IMessageScheduler>();
            x.AddDelayedMessageScheduler();
            if (first)
                x.AddEntityFrameworkOutbox<TestDbContext>(o => o.UseBusOutbox());
        });
        var name = Unique("cancelled");
        await InScopeAsync(replica, async (db, scope) =>
        {
            var scheduler = scope.GetRequiredService<IMessageScheduler>();
            var handle = await scheduler.SchedulePublish(DateTime.UtcNow.AddHours(1), new Pong(name));
            await db.SaveChangesAsync();
            Assert.That(await ReadOutboxAsync(), Has.Count.EqualTo(1));
            await scheduler.CancelScheduledPublish<Pong>(handle.TokenId);
            await db.SaveChangesAsync();
        });
        Assert.That(await ReadOutboxAsync(), Is.Empty);
    }

    /// <summary>Schedules and cancels a pong through the injected scheduler.</summary>
    public sealed record RunScheduler(string Name, string Operations, Guid Token);

    public sealed class RunSchedulerConsumer(IMessageScheduler scheduler) : IConsumer<RunScheduler>
    {
        public static readonly Uri PongQueue = new("exchange:pong");

        public async Task Consume(ConsumeContext<RunScheduler> context)
        {
            foreach (var operation in context.Message.Operations.Split([", ", " and "], StringSplitOptions.None))
                if (operation == "cancel")
                    await scheduler.CancelScheduledSend(PongQueue, context.Message.Token);
                else
                    await scheduler.ScheduleSend(PongQueue, DateTime.UtcNow.AddSeconds(0.5),
                        new Pong(context.Message.Name),
                        Pipe.Execute<SendContext<Pong>>(x => x.ScheduledMessageId = context.Message.Token));
            await context.Publish(new Pong($"{context.Message.Name} handled"));
        }
    }
}
