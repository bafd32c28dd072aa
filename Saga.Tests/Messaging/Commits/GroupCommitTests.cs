using System.Diagnostics;
using System.Transactions;
using MassTransit;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Saga.Attack;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_units_commit_together() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_commit_all_but_the_units_that_violate_a_constraint()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("together");
        var existing = Guid.NewGuid();
        await InScopeAsync(replica, async (db, _) =>
        {
            db.Add(new Tally { CorrelationId = existing, CurrentState = "Counting" });
            await db.SaveChangesAsync();
        });

        var failures = await CommitConcurrentlyAsync(replica, 100, async (i, db, scope) =>
        {
            db.Add(new Effect { Name = name });
            if (i % 10 == 3)
                db.Add(new Tally { CorrelationId = existing, CurrentState = "Counting" });
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong($"{name} {i}"));
        });

        Assert.That(failures.Where((_, i) => i % 10 == 3), Has.All.InstanceOf<DbUpdateException>());
        Assert.That(failures.Where((_, i) => i % 10 != 3), Has.All.Null);
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(90));
        for (var i = 0; i < 100; i++)
            if (i % 10 != 3)
                await WaitForPongAsync($"{name} {i}");
        await WaitForEmptyOutboxAsync();
        Assert.That(Received.Named($"{name} 3"), Is.Empty);
    }

    [Test]
    public async Task Should_commit_all_units_together_that_wait_for_the_same_commit()
    {
        await using var proxy = NewProxy();
        var replica = await StartReplicaAsync(withConsumers: false, proxy: proxy);
        var name = Unique("few");
        await CommitBehindOneAsync(replica, proxy, 300, (db, scope) =>
        {
            db.Add(new Effect { Name = name });
            return scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
        });
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(300));
        Assert.That(await CountTransactionsAsync(name), Is.EqualTo(3), "the first, 256 and the rest");
    }

    [Test]
    public async Task Should_commit_a_single_unit_without_delay()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var (byUnit, bySaveChanges) = (new List<TimeSpan>(), new List<TimeSpan>());
        for (var i = 0; i < 60; i++)
            await InScopeAsync(replica, async (db, scope) =>
            {
                db.Add(new Effect { Name = Unique("single") });
                var start = Stopwatch.GetTimestamp();
                await (i % 2 == 0
                    ? scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default)
                    : db.SaveChangesAsync());
                (i % 2 == 0 ? byUnit : bySaveChanges).Add(Stopwatch.GetElapsedTime(start));
            });
        Assert.That(byUnit.Min(), Is.LessThan(bySaveChanges.Min() + TimeSpan.FromMilliseconds(5)));
    }

    [Test]
    public async Task Should_fail_every_unit_and_store_it_once_when_the_response_to_the_commit_is_lost()
    {
        await using var proxy = NewProxy();
        var replica = await StartReplicaAsync(proxy: proxy);
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
        var group = Enumerable.Range(1, 20).Select(i => CommitAsync(i, i == 20 ? 8 : 0)).ToList();
        await first;
        await WaitUntilAsync(() => QueryAsync(db => db.Database.SqlQueryRaw<bool>("""
            select count(*) > 0 as "Value" from pg_stat_activity
            where datname = current_database() and state = 'active' and query like '%pg_sleep%'
                and pid <> pg_backend_pid()
            """).SingleAsync()), "the last batch of the group, which ends with the commit");
        proxy.Condition = NetworkCondition.ResponsesHeld;
        await WaitUntilAsync(async () => await CountEffectsAsync(name) == 21, "all units to be committed");
        Assert.That(group, Has.None.Property(nameof(Task.IsCompleted)).True);
        proxy.Condition = NetworkCondition.Cut;
        await Task.WhenAll(group).ContinueWith(_ => { }, TaskScheduler.Default).WaitAsync(MaxWait);
        proxy.Condition = NetworkCondition.Normal;

        Assert.That(group.Select(x => x.Exception?.InnerException),
            Has.All.Not.Null.And.None.InstanceOf<DbUpdateConcurrencyException>());
        for (var i = 0; i <= 20; i++)
            await WaitForPongAsync($"{name} {i}");
        await WaitForEmptyOutboxAsync();
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(21));
    }

    [Test]
    public async Task Should_wait_for_a_lock_only_once()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var id = Guid.NewGuid();
        await InScopeAsync(replica, (db, _) =>
        {
            db.Add(new Tally { CorrelationId = id, CurrentState = "Counting", Name = "locked" });
            return db.SaveChangesAsync();
        });
        await using var holder = NewContext();
        await using var transaction = await holder.Database.BeginTransactionAsync();
        await holder.Tallies.Where(x => x.CorrelationId == id).ExecuteUpdateAsync(x => x.SetProperty(t => t.Count, 1));
        using var attempts = new CommandCounter(Name);
        await InScopeAsync(replica, async (db, scope) =>
        {
            (await db.Tallies.SingleAsync(x => x.CorrelationId == id)).Count = 2;
            Assert.That(async () => await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default),
                Throws.Exception.Matches<Exception>(x => PostgresErrors.IsLockTimeout(x!)));
        });
        Assert.That(attempts.Count, Is.EqualTo(1));
    }

    [Test]
    public async Task Should_commit_the_other_units_when_one_has_a_value_that_cannot_be_encoded()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var failures = await CommitConcurrentlyAsync(replica, 60, (i, db, _) =>
        {
            var name = i % 20 == 7 ? "half of a surrogate pair: \ud83d" : "valid";
            db.Add(new Tally { CorrelationId = Guid.NewGuid(), CurrentState = "Counting", Name = name });
            return Task.CompletedTask;
        });
        Assert.That(failures.Where((_, i) => i % 20 == 7), Has.All.Not.Null);
        Assert.That(failures.Where((_, i) => i % 20 != 7), Has.All.Null);
    }

    [Test]
    public async Task Should_reject_a_commit_in_an_ambient_transaction()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("ambient");
        await InScopeAsync(replica, async (db, scope) =>
        {
            using var ambient = new TransactionScope(TransactionScopeAsyncFlowOption.Enabled);
            db.Add(new Effect { Name = name });
            Assert.That(() => scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default),
                Throws.InvalidOperationException.With.Message.Contains("ambient"));
        });
        Assert.That(await CountEffectsAsync(name), Is.Zero);
    }

    [Test]
    public async Task Should_keep_shadow_values()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("shadow");
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            var entry = db.Add(new Effect { Name = name });
            entry.Property("Note").CurrentValue = $"first {i}";
            await unit.CommitAsync(default);
            Assert.That((entry.State, entry.Property("Note").CurrentValue),
                Is.EqualTo((EntityState.Unchanged, (object)$"first {i}")));
            entry.Property("Note").CurrentValue = $"second {entry.Entity.Id}";
            await unit.CommitAsync(default);
        })));
        var notes = await QueryAsync(db => db.Effects.Where(x => x.Name == name)
            .Select(x => new { x.Id, Note = EF.Property<string>(x, "Note") }).ToListAsync());
        Assert.That(notes, Has.Count.EqualTo(50));
        Assert.That(notes.Where(x => x.Note != $"second {x.Id}"), Is.Empty);
    }

    [Test]
    public async Task Should_commit_units_alone_that_only_SaveChanges_can_write()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("alone");
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            var effect = new NumberedEffect { Name = name };
            var entry = db.Add(effect);
            entry.Property("Note").CurrentValue = $"first {i}";
            await unit.CommitAsync(default);
            Assert.That((effect.Id > 0, entry.State, entry.Property("Note").CurrentValue),
                Is.EqualTo((true, EntityState.Unchanged, (object)$"first {i}")));
            entry.Property("Note").CurrentValue = $"second {effect.Id}";
            await unit.CommitAsync(default);
        })));
        var rows = await QueryAsync(db => db.Database.SqlQueryRaw<string>("""
            select xmin::text as "Value" from "NumberedEffect" where "Name" = {0} and "Note" = 'second ' || "Id"
            """, name).ToListAsync());
        Assert.That(rows, Has.Count.EqualTo(50).And.Unique);
    }

    [Test]
    public async Task Should_raise_the_events_of_SaveChanges_before_the_commit()
    {
        await using var proxy = NewProxy();
        var replica = await StartReplicaAsync(withConsumers: false, proxy: proxy);
        var name = Unique("events");
        await CommitBehindOneAsync(replica, proxy, 50, async (db, scope) =>
        {
            var saved = 0;
            db.SavingChanges += (_, _) => db.Add(new Effect { Name = $"{name} event" });
            db.SavedChanges += (_, _) => saved++;
            db.Add(new Effect { Name = name });
            await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
            Assert.That(saved, Is.EqualTo(1));
        });
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(50));
        Assert.That(await CountEffectsAsync($"{name} event"), Is.EqualTo(50));
        Assert.That(await CountTransactionsAsync(name), Is.EqualTo(2));
    }

    [TestCase(true, TestName = "Should_store_once_what_an_event_adds_for_SaveChanges")]
    [TestCase(false, TestName = "Should_store_once_what_an_event_adds_to_changes_for_SaveChanges")]
    public async Task Should_store_once_what_an_event_adds(bool needsSaveChanges)
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        var name = Unique("once");
        await InScopeAsync(replica, async (db, scope) =>
        {
            db.SavingChanges += (_, _) =>
            {
                db.Database.ExecuteSqlRaw("""insert into "NumberedEffect" ("Name") values ({0})""", $"{name} SQL");
                db.Add<object>(needsSaveChanges
                    ? new NumberedEffect { Name = $"{name} event" } : new Effect { Name = $"{name} event" });
            };
            db.Add<object>(needsSaveChanges ? new Effect { Name = name } : new NumberedEffect { Name = name });
            await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
        });
        var names = await QueryAsync(db => db.Database.SqlQueryRaw<string>("""
            select "Name" as "Value" from "Effects" union all select "Name" from "NumberedEffect"
            """).Where(x => x.StartsWith(name)).ToListAsync());
        Assert.That(names, Is.EquivalentTo(new[] { name, $"{name} event", $"{name} SQL" }));
    }

    /// <summary>Runs work in one scope each; all but the first begin while the first is being committed.</summary>
    static async Task CommitBehindOneAsync(IHost replica, TcpProxy proxy, int count,
        Func<TestDbContext, IServiceProvider, Task> work)
    {
        proxy.Condition = NetworkCondition.ResponsesHeld;
        var commits = Enumerable.Range(0, count).Select(_ => InScopeAsync(replica, work)).ToList();
        proxy.Condition = NetworkCondition.Normal;
        await Task.WhenAll(commits).WaitAsync(MaxWait);
    }

    /// <summary>How many transactions have stored the effects of a name.</summary>
    Task<long> CountTransactionsAsync(string name) => QueryAsync(db => db.Database.SqlQueryRaw<long>("""
        select count(distinct xmin::text) as "Value" from "Effects" where "Name" = {0}
        """, name).SingleAsync());

    /// <summary>Commits one unit of work per scope concurrently, and returns the failure of each or null.</summary>
    static async Task<Exception?[]> CommitConcurrentlyAsync(IHost replica, int count,
        Func<int, TestDbContext, IServiceProvider, Task> work) =>
        await Task.WhenAll(Enumerable.Range(0, count).Select(i => InScopeAsync(replica, async (db, scope) =>
        {
            await work(i, db, scope);
            await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
        }).ContinueWith(x => x.Exception?.InnerException, TaskScheduler.Default)));
}
