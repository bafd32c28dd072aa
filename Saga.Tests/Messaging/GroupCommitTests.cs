using System.Collections.Concurrent;
using System.Diagnostics;
using System.Transactions;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using Saga.Attack;
using Saga.Servers;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_units_commit_together() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_commit_all_but_the_one_that_cannot_be()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("together");
        var there = Guid.NewGuid();
        await InScopeAsync(replica, async (db, _) =>
        {
            db.Add(new Tally { CorrelationId = there, CurrentState = "Counting" });
            await db.SaveChangesAsync();
        });

        var failures = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => InScopeAsync(replica, async (db, scope) =>
        {
            db.Add(new Effect { Name = name });
            if (i % 10 == 3)
                db.Add(new Tally { CorrelationId = there, CurrentState = "Counting" });
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong($"{name} {i}"));
            await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
        }).ContinueWith(x => x.Exception?.InnerException)));

        Assert.That(failures.Where((_, i) => i % 10 == 3), Has.All.InstanceOf<DbUpdateException>());
        Assert.That(failures.Where((_, i) => i % 10 != 3), Has.All.Null);
        Assert.That(await EffectsAsync(name), Is.EqualTo(90));
        for (var i = 0; i < 100; i++)
            if (i % 10 != 3)
                await ArrivesAsync($"{name} {i}");
        await OutboxIsEmptyAsync();
        Assert.That(Arrivals.Of($"{name} 3"), Is.Empty);
    }

    [Test]
    public async Task Should_need_fewer_commits_than_there_are_units()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var name = Unique("few");
        await Task.WhenAll(Enumerable.Range(0, 300).Select(_ => InScopeAsync(replica, async (db, scope) =>
        {
            db.Add(new Effect { Name = name });
            await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
        })));
        var commits = await QueryAsync(db => db.Database.SqlQueryRaw<long>(
            """select count(distinct xmin::text::bigint) as "Value" from "Effects" where "Name" = {0}""", name).SingleAsync());
        Assert.That(await EffectsAsync(name), Is.EqualTo(300));
        Assert.That(commits, Is.LessThan(100));
    }

    [Test]
    public async Task Should_decide_for_each_once_when_one_fails_alone_and_another_after_the_decision()
    {
        var replica = await StartReplicaAsync(more: x => x.AddConsumer<ClaimConsumer>());
        var name = Unique("claims");
        var bus = replica.Services.GetRequiredService<IBus>();
        var ids = Enumerable.Range(0, 60).Select(_ => NewId.NextGuid()).ToArray();

        await Task.WhenAll(ids.Select((id, i) => bus.Publish(new Claim(name, i, i % 20 == 7 ? "refused" : i % 20 == 11 ? "fails once" : ""), x => x.MessageId = id)));

        await Wait.UntilAsync(async () => await EffectsAsync(name) == 57, Patience, () => "57 effects");
        for (var i = 0; i < 60; i++)
            if (i % 20 != 7)
                await ArrivesAsync($"{name} {i}");
        await OutboxIsEmptyAsync();
        Assert.That(await EffectsAsync(name), Is.EqualTo(57));
        Assert.That(await EffectsAsync($"tracked {name}"), Is.EqualTo(57));
        Assert.That((await Servers.Rabbit.QueuesAsync(Name)).Contains("claim_error"));
        var consumed = await QueryAsync(db => db.Set<InboxState>().Where(x => ids.Contains(x.MessageId)).Select(x => x.MessageId).ToListAsync());
        Assert.That(consumed, Is.EquivalentTo(ids.Where((_, i) => i % 20 != 7)), "who is refused is no repeat when it comes again");
    }

    [Test]
    public async Task Should_not_have_a_lone_unit_wait()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var (alone, plainly) = (new List<TimeSpan>(), new List<TimeSpan>());
        for (var i = 0; i < 60; i++)
            await InScopeAsync(replica, async (db, scope) =>
            {
                db.Add(new Effect { Name = Unique("alone") });
                var start = Stopwatch.GetTimestamp();
                await (i % 2 == 0 ? scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default) : db.SaveChangesAsync());
                (i % 2 == 0 ? alone : plainly).Add(Stopwatch.GetElapsedTime(start));
            });
        Assert.That(Median(alone), Is.LessThan(Median(plainly) + TimeSpan.FromMilliseconds(5)));

        static TimeSpan Median(List<TimeSpan> all) => all.Order().ElementAt(all.Count / 2);
    }

    [Test]
    public async Task Should_commit_once_and_say_so_of_nobody_when_the_answer_to_a_groups_commit_is_lost()
    {
        await using var road = NewRoad();
        var replica = await StartReplicaAsync(road: road);
        var name = Unique("unknown");
        async Task CommitAsync(int number, double seconds)
        {
            await using var scope = replica.Services.CreateAsyncScope();
            var unit = scope.ServiceProvider.GetRequiredService<IUnitOfWork<TestDbContext>>();
            scope.ServiceProvider.GetRequiredService<TestDbContext>().Add(new Effect { Name = name });
            if (seconds > 0)
                unit.Add(new NpgsqlBatchCommand("select pg_sleep($1)") { Parameters = { new() { Value = seconds } } });
            await scope.ServiceProvider.GetRequiredService<IPublishEndpoint>().Publish(new Pong($"{name} {number}"));
            await unit.CommitAsync(default);
        }

        var first = CommitAsync(0, 0.5);
        var group = Enumerable.Range(1, 20).Select(i => CommitAsync(i, i == 20 ? 2 : 0)).ToList();
        await first;
        await Wait.UntilAsync(() => QueryAsync(db => db.Database.SqlQueryRaw<bool>("""
            select count(*) > 0 as "Value" from pg_stat_activity
            where datname = current_database() and state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()
            """).SingleAsync()), Patience, () => "the group's last batch, which ends with the commit");
        road.Condition = NetworkCondition.ResponsesHeld;
        await Wait.UntilAsync(async () => await EffectsAsync(name) == 21, Patience, () => "all to be committed");
        Assert.That(group, Has.None.Property(nameof(Task.IsCompleted)).True);
        road.Condition = NetworkCondition.Cut;
        await Task.WhenAll(group).ContinueWith(_ => { }, TaskScheduler.Default).WaitAsync(Patience);
        road.Condition = NetworkCondition.Normal;

        Assert.That(group.Select(x => x.Exception?.InnerException), Has.All.Not.Null.And.None.InstanceOf<DbUpdateConcurrencyException>());
        for (var i = 0; i <= 20; i++)
            await ArrivesAsync($"{name} {i}");
        await OutboxIsEmptyAsync();
        Assert.That(await EffectsAsync(name), Is.EqualTo(21));
    }

    [Test]
    public async Task Should_have_each_effect_once_though_answers_of_commits_are_lost()
    {
        await using var road = NewRoad();
        var replica = await StartReplicaAsync(more: x => x.AddConsumer<ClaimConsumer>(), road: road);
        var name = Unique("lost");
        var bus = replica.Services.GetRequiredService<IBus>();

        for (var i = 0; i < 200; i++)
        {
            await bus.Publish(new Claim(name, i, ""));
            if (i % 40 != 20)
                continue;
            road.Condition = NetworkCondition.ResponsesHeld;
            await Task.Delay(100);
            road.Condition = NetworkCondition.Cut;
            await Task.Delay(50);
            road.Condition = NetworkCondition.Normal;
        }

        for (var i = 0; i < 200; i++)
            await ArrivesAsync($"{name} {i}");
        await OutboxIsEmptyAsync();
        Assert.That(await EffectsAsync(name), Is.EqualTo(200));
        Assert.That(await EffectsAsync($"tracked {name}"), Is.EqualTo(200));
    }

    [TestCase("impossible", TestName = "Should_try_what_the_database_refuses_by_itself")]
    [TestCase("breaks the step", TestName = "Should_try_what_the_step_cannot_decide_by_itself")]
    [TestCase("saves", TestName = "Should_fail_what_saves_after_it_asked")]
    [TestCase("same row", TestName = "Should_try_what_tracks_the_same_row_by_itself")]
    public async Task Should_spare_the_others(string way)
    {
        var replica = await StartReplicaAsync(more: x => x.AddConsumer<ClaimConsumer>());
        var name = Unique(way);
        var bus = replica.Services.GetRequiredService<IBus>();

        await Task.WhenAll(Enumerable.Range(0, 60).Select(i => bus.Publish(new Claim(name, i, i % 20 == 7 ? way : ""))));

        for (var i = 0; i < 60; i++)
            if (i % 20 != 7)
                await ArrivesAsync($"{name} {i}");
        Assert.That(await EffectsAsync(name), Is.GreaterThanOrEqualTo(57));
        Assert.That(ClaimConsumer.Runs.Where(x => x.Key.Name == name && x.Key.Number % 20 != 7).Max(x => x.Value), Is.LessThanOrEqualTo(3));
    }

    [Test]
    public async Task Should_refuse_what_the_step_finds_no_row_for()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var name = Unique("no row");
        await InScopeAsync(replica, async (_, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            Assert.That(() => unit.DecideAsync(ClaimConsumer.Step, new Claim(name, 0, "has no row"), default), Throws.ArgumentException);
            await unit.DecideAsync(ClaimConsumer.Step, new Claim(name, 1, ""), default);
            await unit.CommitAsync(default);
        });
        Assert.That(await EffectsAsync(name), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_wait_for_a_lock_once()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var id = Guid.NewGuid();
        await InScopeAsync(replica, (db, _) =>
        {
            db.Add(new Tally { CorrelationId = id, CurrentState = "Counting", Name = "locked" });
            return db.SaveChangesAsync();
        });
        await using var holder = NewContext();
        await using var held = await holder.Database.BeginTransactionAsync();
        await holder.Tallies.Where(x => x.CorrelationId == id).ExecuteUpdateAsync(x => x.SetProperty(t => t.Count, 1));
        await InScopeAsync(replica, async (db, scope) =>
        {
            (await db.Tallies.SingleAsync(x => x.CorrelationId == id)).Count = 2;
            var asked = Stopwatch.StartNew();
            Assert.That(async () => await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default),
                Throws.Exception.Matches<Exception>(x => PostgresErrors.IsLockTimeout(x!)));
            Assert.That(asked.Elapsed, Is.LessThan(1.7 * LockTimeout));
        });
    }

    [Test]
    public async Task Should_spare_the_others_of_what_cannot_be_sent_to_the_database()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var failures = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => InScopeAsync(replica, async (db, scope) =>
        {
            db.Add(new Tally { CorrelationId = Guid.NewGuid(), CurrentState = "Counting", Name = i % 20 == 7 ? "half a letter: \ud83d" : "fine" });
            await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
        }).ContinueWith(x => x.Exception?.InnerException)));
        Assert.That(failures.Where((_, i) => i % 20 == 7), Has.All.Not.Null);
        Assert.That(failures.Where((_, i) => i % 20 != 7), Has.All.Null);
    }

    [Test]
    public async Task Should_not_carry_what_flows_with_one_into_the_work_for_all()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var name = Unique("flow");
        await InScopeAsync(replica, async (_, scope) =>
        {
            Tenant.Value = "mine";
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            await unit.DecideAsync(ClaimConsumer.Step, new Claim(name, 0, "notes the tenant"), default);
            Assert.That(Tenant.Value, Is.EqualTo("mine"));
            await unit.CommitAsync(default);
            Assert.That(Tenant.Value, Is.EqualTo("mine"));
        });
        Assert.That(await EffectsAsync($"{name}, tenant: "), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_refuse_to_commit_in_an_ambient_transaction()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var name = Unique("ambient");
        await InScopeAsync(replica, async (db, scope) =>
        {
            using var ambient = new TransactionScope(TransactionScopeAsyncFlowOption.Enabled);
            db.Add(new Effect { Name = name });
            Assert.That(() => scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default),
                Throws.InvalidOperationException.With.Message.Contains("ambient"));
        });
        Assert.That(await EffectsAsync(name), Is.Zero);
    }

    [Test]
    public async Task Should_not_wait_for_a_unit_that_was_given_up()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var name = Unique("given up");
        var failures = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => InScopeAsync(replica, async (_, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            await unit.DecideAsync(ClaimConsumer.Step, new Claim(name, i, ""), default);
            if (i == 7)
                return;
            await unit.CommitAsync(default);
        }).ContinueWith(x => x.Exception?.InnerException)));
        Assert.That(failures.Where(x => x != null), Has.All.InstanceOf<GroupBrokenException>().And.All.Message.Contains("handler of the group has failed"));
        Assert.That(await EffectsAsync(name), Is.EqualTo(19 - failures.Count(x => x != null)));
    }

    [Test]
    public async Task Should_commit_one_scopes_units_one_after_the_other()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var name = Unique("again");
        await InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            for (var i = 0; i < 3; i++)
            {
                await unit.DecideAsync(ClaimConsumer.Step, new Claim(name, i, ""), default);
                await unit.CommitAsync(default);
            }
        });
        Assert.That(await EffectsAsync(name), Is.EqualTo(3));
    }

    [Test]
    public async Task Should_give_back_the_keys_that_the_database_made_and_keep_shadow_values()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var name = Unique("keys");
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            var effect = new Effect { Name = name };
            db.Add(effect).Property("Note").CurrentValue = $"first {i}";
            await unit.CommitAsync(default);
            Assert.That(effect.Id, Is.GreaterThan(0));
            var entry = db.Entry(effect);
            Assert.That((entry.State, entry.Property("Note").CurrentValue), Is.EqualTo((EntityState.Unchanged, (object)$"first {i}")));
            entry.Property("Note").CurrentValue = $"second {effect.Id}";
            await unit.CommitAsync(default);
        })));
        var notes = await QueryAsync(db => db.Effects.Where(x => x.Name == name).Select(x => new { x.Id, Note = EF.Property<string>(x, "Note") }).ToListAsync());
        Assert.That(notes, Has.Count.EqualTo(50));
        Assert.That(notes.Where(x => x.Note != $"second {x.Id}"), Is.Empty);
    }

    [Test]
    public async Task Should_fail_only_who_changes_what_has_changed()
    {
        using var tries = new Tries(Name);
        var replica = await StartReplicaAsync(consumes: false);
        var ids = Enumerable.Range(0, 40).Select(_ => Guid.NewGuid()).ToArray();
        await InScopeAsync(replica, (db, _) =>
        {
            db.AddRange(ids.Select(x => new Tally { CorrelationId = x, CurrentState = "Counting", Name = "it's \"quoted\"" }));
            return db.SaveChangesAsync();
        });
        var (loaded, changed) = (new CountdownEvent(ids.Length), new TaskCompletionSource());
        var (ended, again) = (new CountdownEvent(ids.Length), new TaskCompletionSource());

        var running = ids.Select((id, i) => InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            var tally = await db.Tallies.SingleAsync(x => x.CorrelationId == id);
            loaded.Signal();
            await changed.Task;
            tally.Count = i;
            try
            {
                await unit.CommitAsync(default);
            }
            finally
            {
                ended.Signal();
            }

            await again.Task;
            (tally.Count, tally.ReminderToken) = (tally.Count + 1000, id);
            await unit.CommitAsync(default); // with the version that the first has made
        }).ContinueWith(x => x.Exception?.InnerException)).ToList();
        await Wait.UntilAsync(() => Task.FromResult(loaded.IsSet), Patience, () => "all to be loaded");
        await QueryAsync(db => db.Tallies.Where(x => x.CorrelationId == ids[7]).ExecuteUpdateAsync(x => x.SetProperty(t => t.Count, -1)));
        changed.SetResult();
        await Wait.UntilAsync(() => Task.FromResult(ended.IsSet), Patience, () => "all first commits to end");
        var triedFirst = tries.Count;
        again.SetResult();
        var failures = await Task.WhenAll(running);

        Assert.That(failures[7], Is.InstanceOf<DbUpdateConcurrencyException>());
        Assert.That(failures.Where((_, i) => i != 7), Has.All.Null);
        Assert.That(triedFirst, Is.InRange(1, 6), "who has to fall out is told at once, not by halves of the group");
        var tallies = await QueryAsync(db => db.Tallies.Where(x => ids.Contains(x.CorrelationId)).ToDictionaryAsync(x => x.CorrelationId));
        Assert.That(ids.Select(x => tallies[x].Count), Is.EqualTo(ids.Select((_, i) => i == 7 ? -1 : i + 1000)));
        Assert.That(ids.Select(x => tallies[x].ReminderToken), Is.EqualTo(ids.Select((x, i) => i == 7 ? null : (Guid?)x)));
        Assert.That(tallies.Values.Select(x => x.Name), Has.All.EqualTo("it's \"quoted\""));
    }

    [Test]
    public async Task Should_refuse_to_commit_what_the_consumers_end_commits()
    {
        var replica = await StartReplicaAsync(more: x => x.AddConsumer<ClaimConsumer>());
        var name = Unique("commits");
        await replica.Services.GetRequiredService<IBus>().Publish(new Claim(name, 0, "commits"));
        await Wait.UntilAsync(() => Task.FromResult(Log.Contains(LogLevel.Error, "the end of the consumer commits")), Patience, () => "the claim to be refused");
        Assert.That(await EffectsAsync(name) + await EffectsAsync($"tracked {name}"), Is.Zero);
    }

    static readonly AsyncLocal<string?> Tenant = new();

    /// <summary>Counts the batches that are tried as whole transactions in a database, by Npgsql's own traces.</summary>
    sealed class Tries : IDisposable
    {
        readonly ActivityListener _listener;
        int _count;

        public Tries(string database)
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == "Npgsql",
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
                ActivityStopped = command =>
                {
                    if ((string?)command.GetTagItem("db.namespace") == database
                        && command.GetTagItem("db.query.text") is string text && text.Contains("pg_current_xact_id()", StringComparison.Ordinal))
                        Interlocked.Increment(ref _count);
                },
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public int Count => Volatile.Read(ref _count);

        public void Dispose() => _listener.Dispose();
    }

    public sealed record Claim(string Name, int Number, string Way);

    public sealed class ClaimConsumer(IUnitOfWork<TestDbContext> unit, TestDbContext db) : IConsumer<Claim>
    {
        internal static readonly ClaimStep Step = new();
        static readonly HashSet<(string, int)> Failed = [];

        /// <summary>How often each was handled.</summary>
        public static ConcurrentDictionary<(string Name, int Number), int> Runs { get; } = new();

        public async Task Consume(ConsumeContext<Claim> context)
        {
            var claim = context.Message;
            Runs.AddOrUpdate((claim.Name, claim.Number), 1, (_, n) => n + 1);
            if (claim.Way == "commits")
            {
                db.Add(new Effect { Name = $"tracked {claim.Name}" });
                await unit.CommitAsync(context.CancellationToken);
            }

            await unit.DecideAsync(Step, claim, context.CancellationToken);
            lock (Failed)
                if (claim.Way == "fails once" && Failed.Add((claim.Name, claim.Number)))
                    throw new TimeoutException("as asked");
            if (claim.Way == "same row")
                db.Add(new Tally { CorrelationId = new Guid(1, 2, 3, new byte[8]), CurrentState = "Counting" });
            db.Add(new Effect { Name = $"tracked {claim.Name}" });
            if (claim.Way == "saves")
                await db.SaveChangesAsync(context.CancellationToken);
            await context.Publish(new Pong($"{claim.Name} {claim.Number}"));
        }
    }

    internal sealed class ClaimStep : IBatchStep<Claim, int>
    {
        public void Load(NpgsqlBatch batch, IReadOnlyList<Claim> requests) => batch.BatchCommands.Add(new("select 1"));

        public object RowOf(Claim request) => request.Way == "has no row" ? throw new ArgumentException("as asked") : (request.Name, request.Number);

        public Task<BatchDecision<int>> Decide(NpgsqlDataReader rows, IReadOnlyList<Claim> requests, CancellationToken cancellationToken)
        {
            if (requests.Any(x => x.Way == "breaks the step"))
                throw new ArgumentException("as asked");
            var results = requests.Select(x => (x.Number, x.Way == "refused" ? new InvalidOperationException("as asked") : (Exception?)null)).ToList();
            var names = requests.Where(x => x.Way != "refused").Select(x => x.Way switch
            {
                "impossible" => null,
                "notes the tenant" => $"{x.Name}, tenant: {Tenant.Value}",
                _ => x.Name,
            }).ToArray();
            return Task.FromResult(new BatchDecision<int>(results,
                [new("""insert into "Effects" ("Name") select * from unnest($1)""") { Parameters = { new() { Value = names } } }]));
        }
    }
}
