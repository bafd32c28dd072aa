using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Saga.Attack;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_a_batch_step_decides_for_a_group() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_have_each_effect_once_when_some_requests_are_rejected_and_some_handlers_fail()
    {
        var replica = await StartReplicaAsync(configure: x => x.AddConsumer<AddEffectConsumer>());
        var name = Unique("effects");
        var bus = replica.Services.GetRequiredService<IBus>();
        var ids = Enumerable.Range(0, 60).Select(_ => NewId.NextGuid()).ToArray();

        await Task.WhenAll(ids.Select((id, i) => bus.Publish(new AddEffect(name, i, (i % 20) switch
        {
            7 => "rejected",
            11 => "fail once",
            _ => "",
        }), x => x.MessageId = id)));

        await WaitUntilAsync(async () => await CountEffectsAsync(name) == 57, "57 effects");
        await WaitForAllButThePongsOfAsync(7, name);
        await WaitForEmptyOutboxAsync();
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(57));
        Assert.That(await CountEffectsAsync($"tracked {name}"), Is.EqualTo(57));
        await WaitUntilAsync(async () => (await Servers.Rabbit.QueuesAsync(Name)).Contains("add-effect_error"),
            "the error queue");
        var consumed = await QueryAsync(db => db.Set<InboxState>()
            .Where(x => ids.Contains(x.MessageId)).Select(x => x.MessageId).ToListAsync());
        Assert.That(consumed, Is.EquivalentTo(ids.Where((_, i) => i % 20 != 7)),
            "a rejected message can be retried: the inbox must not contain it");
    }

    [Test]
    public async Task Should_have_each_effect_once_when_responses_to_commits_are_lost()
    {
        await using var proxy = NewProxy();
        var replica = await StartReplicaAsync(configure: x => x.AddConsumer<AddEffectConsumer>(), proxy: proxy);
        var name = Unique("lost");
        var bus = replica.Services.GetRequiredService<IBus>();

        for (var i = 0; i < 200; i++)
        {
            await bus.Publish(new AddEffect(name, i, ""));
            if (i % 40 != 20)
                continue;
            proxy.Condition = NetworkCondition.ResponsesHeld;
            await Task.Delay(100);
            proxy.Condition = NetworkCondition.Cut;
            await Task.Delay(50);
            proxy.Condition = NetworkCondition.Normal;
        }

        for (var i = 0; i < 200; i++)
            await WaitForPongAsync($"{name} {i}");
        await WaitForEmptyOutboxAsync();
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(200));
        Assert.That(await CountEffectsAsync($"tracked {name}"), Is.EqualTo(200));
    }

    [TestCase("violate a constraint", TestName = "Should_isolate_a_unit_that_violates_a_constraint")]
    [TestCase("fail in Decide", TestName = "Should_isolate_a_unit_whose_step_fails")]
    [TestCase("save after the decision", TestName = "Should_isolate_a_unit_that_saves_after_the_decision")]
    [TestCase("track the same row", TestName = "Should_isolate_units_that_track_the_same_row")]
    public async Task Should_commit_the_other_units_soon(string behavior)
    {
        var replica = await StartReplicaAsync(configure: x => x.AddConsumer<AddEffectConsumer>());
        var name = Unique(behavior);
        var bus = replica.Services.GetRequiredService<IBus>();

        await Task.WhenAll(Enumerable.Range(0, 60)
            .Select(i => bus.Publish(new AddEffect(name, i, i % 20 == 7 ? behavior : ""))));

        await WaitForAllButThePongsOfAsync(7, name);
        Assert.That(await CountEffectsAsync(name), Is.GreaterThanOrEqualTo(57));
        Assert.That(AddEffectConsumer.Runs.Where(x => x.Key.Name == name && x.Key.Number % 20 != 7).Max(x => x.Value),
            Is.LessThanOrEqualTo(3));
    }

    [Test]
    public async Task Should_leave_the_unit_open_when_the_request_has_no_row()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("no row");
        await InScopeAsync(replica, async (_, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            var request = new AddEffect(name, 0, "fail in RowOf");
            Assert.That(() => unit.DecideAsync(AddEffectConsumer.Step, request, default), Throws.ArgumentException);
            await unit.DecideAsync(AddEffectConsumer.Step, new AddEffect(name, 1, ""), default);
            await unit.CommitAsync(default);
        });
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_run_the_step_without_the_execution_context_of_a_handler()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("context");
        await InScopeAsync(replica, async (_, scope) =>
        {
            AddEffectStep.Tenant.Value = "mine";
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            await unit.DecideAsync(AddEffectConsumer.Step, new AddEffect(name, 0, "add the tenant"), default);
            Assert.That(AddEffectStep.Tenant.Value, Is.EqualTo("mine"));
            await unit.CommitAsync(default);
            Assert.That(AddEffectStep.Tenant.Value, Is.EqualTo("mine"));
        });
        Assert.That(await CountEffectsAsync($"{name}, tenant: "), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_not_wait_for_a_unit_that_is_never_committed()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("abandoned");
        var failures = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => InScopeAsync(replica, async (_, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            await unit.DecideAsync(AddEffectConsumer.Step, new AddEffect(name, i, ""), default);
            if (i == 7)
                return;
            await unit.CommitAsync(default);
        }).ContinueWith(x => x.Exception?.InnerException, TaskScheduler.Default)));
        Assert.That(failures.Where(x => x != null), Has.All.InstanceOf<GroupBrokenException>()
            .And.All.Message.Contains("handler of the group has failed"));
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(19 - failures.Count(x => x != null)));
    }

    [Test]
    public async Task Should_reject_a_commit_inside_a_consumer()
    {
        var replica = await StartReplicaAsync(configure: x => x.AddConsumer<AddEffectConsumer>());
        var name = Unique("commits");
        await replica.Services.GetRequiredService<IBus>().Publish(new AddEffect(name, 0, "commit"));
        await WaitUntilAsync(() => Log.Contains(LogLevel.Error, "the end of the consumer commits"),
            "the commit to be rejected");
        Assert.That(await CountEffectsAsync(name) + await CountEffectsAsync($"tracked {name}"), Is.Zero);
    }

    [Test]
    public async Task Should_refuse_changes_that_only_SaveChanges_can_write()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("numbered");
        await InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            await unit.DecideAsync(AddEffectConsumer.Step, new AddEffect(name, 0, ""), default);
            db.Add(new NumberedEffect { Name = name });
            Assert.That(async () => await unit.CommitAsync(default),
                Throws.InvalidOperationException.With.Message.Contains("only SaveChanges can write"));
        });
        Assert.That(await CountEffectsAsync(name), Is.Zero);
    }

    /// <summary>Waits for the pongs of 60 messages, except every twentieth.</summary>
    async Task WaitForAllButThePongsOfAsync(int excluded, string name)
    {
        for (var i = 0; i < 60; i++)
            if (i % 20 != excluded)
                await WaitForPongAsync($"{name} {i}");
    }
}
