using MassTransit;
using Messaging.Postgres;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;
using Service.Defaults;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_statements_are_prepared() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_prepare_only_recurring_statements()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        await InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            var contexts = scope.GetRequiredService<RecentContexts<TestDbContext>>();
            await CommitAsync("first");
            var prepared = await contexts.Use(ReadPreparedStatementsAsync);
            unit.Add(new NpgsqlBatchCommand("select 'added by a handler'"));
            await CommitAsync("second");
            unit.Add(new NpgsqlBatchCommand("select 'constant'"), isConstant: true);
            await CommitAsync("third");

            Assert.That(prepared, Has.Exactly(1).Contains("insert into \"OutboxMessage\""));
            Assert.That(prepared, Has.Exactly(1).Contains("insert into \"Tallies\""));
            Assert.That(await contexts.Use(ReadPreparedStatementsAsync),
                Is.EquivalentTo(prepared.Append("select 'constant'")));
            Assert.That(await QueryAsync(x => x.Tallies.CountAsync(t => t.CurrentState == "Prepared")), Is.EqualTo(3));

            async Task CommitAsync(string name)
            {
                db.Add(new Tally { CorrelationId = Guid.NewGuid(), CurrentState = "Prepared", Name = name });
                await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong(name));
                await unit.CommitAsync(default);
            }
        });
    }

    [Test]
    public async Task Should_plan_an_update_once_unless_the_session_has_another_mode()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        await InScopeAsync(replica, async (db, scope) =>
        {
            var contexts = scope.GetRequiredService<RecentContexts<TestDbContext>>();
            var tally = new Tally { CorrelationId = Guid.NewGuid(), CurrentState = "Planned" };
            db.Add(tally);
            await CountAsync(4);
            Assert.That(await ReadPlansAsync(), Is.EqualTo("0 custom, 3 generic, auto"));

            await contexts.Use(x => x.Database.ExecuteSqlRawAsync("set plan_cache_mode = force_custom_plan"));
            await CountAsync(2);
            Assert.That(await ReadPlansAsync(), Is.EqualTo("2 custom, 3 generic, force_custom_plan"));

            async Task CountAsync(int commits)
            {
                for (var i = 0; i < commits; i++, tally.Count++)
                    await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
            }

            Task<string> ReadPlansAsync() => contexts.Use(x => x.Database.SqlQueryRaw<string>("""
                select format('%s custom, %s generic, %s', custom_plans, generic_plans,
                    current_setting('plan_cache_mode')) as "Value"
                from pg_prepared_statements where statement like '%update%'
                """).SingleAsync());
        });
    }

    [Test]
    public async Task Should_use_the_index_after_a_small_table_has_grown()
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        await InScopeAsync(replica, async (db, scope) =>
        {
            var contexts = scope.GetRequiredService<RecentContexts<TestDbContext>>();
            foreach (var (name, value) in SessionSettings.IndexPlans)
                await contexts.Use(x => x.Database.ExecuteSqlAsync($"select set_config({name}, {value}, false)"));

            var tally = new Tally { CorrelationId = Guid.NewGuid(), CurrentState = "Counting" };
            db.Add(tally);
            await CommitAsync();
            await CountAsync(10); // the plan is made, and kept
            await db.Database.ExecuteSqlRawAsync("""
                insert into "Tallies" ("CorrelationId", "CurrentState", "Name", "Count")
                select gen_random_uuid(), 'Counting', '', 0 from generate_series(1, 20000)
                """);
            var before = await contexts.Use(CountScansAsync);
            await CountAsync(10);
            var after = await contexts.Use(CountScansAsync);

            Assert.That(tally.Count, Is.EqualTo(20));
            Assert.That(after.IndexScans, Is.EqualTo(before.IndexScans + 10));
            Assert.That(after.TableScans, Is.EqualTo(before.TableScans));

            async Task CountAsync(int times)
            {
                for (var i = 0; i < times; i++)
                {
                    tally.Count++;
                    await CommitAsync();
                }
            }

            Task CommitAsync() => scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
        });
    }

    static Task<List<string>> ReadPreparedStatementsAsync(TestDbContext db) =>
        db.Database.SqlQueryRaw<string>("""select statement as "Value" from pg_prepared_statements""").ToListAsync();

    /// <summary>Returns how often PostgreSQL has read the table Tallies by an index and as a whole.</summary>
    static async Task<(long IndexScans, long TableScans)> CountScansAsync(TestDbContext db)
    {
        await db.Database.ExecuteSqlRawAsync("select pg_stat_force_next_flush()");
        var scans = await db.Database.SqlQueryRaw<long>("""
            select unnest(array[idx_scan, seq_scan]) as "Value" from pg_stat_user_tables where relname = 'Tallies'
            """).ToListAsync();
        return (scans[0], scans[1]);
    }
}
