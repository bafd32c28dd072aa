using MassTransit;
using Messaging.Postgres;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Service.Defaults;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_statements_are_prepared() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_keep_those_that_come_again_and_no_others()
    {
        var replica = await StartReplicaAsync(consumes: false);
        await InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            var warm = scope.GetRequiredService<RecentContexts<TestDbContext>>();
            await CommitAsync("first");
            var kept = await warm.Use(PreparedAsync);
            unit.Add(new NpgsqlBatchCommand("select 'what a handler has added'"));
            await CommitAsync("second");
            await CommitAsync("third");

            Assert.That(kept, Has.Exactly(1).Contains("insert into \"OutboxMessage\""));
            Assert.That(kept, Has.Exactly(1).Contains("insert into \"Tallies\""));
            Assert.That(await warm.Use(PreparedAsync), Is.EquivalentTo(kept));
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
    public async Task Should_find_rows_by_their_keys_when_few_have_become_many()
    {
        var replica = await StartReplicaAsync(consumes: false);
        await InScopeAsync(replica, async (db, scope) =>
        {
            var warm = scope.GetRequiredService<RecentContexts<TestDbContext>>();
            foreach (var setting in ConnectionSettings.IndexPlans)
                await warm.Use(x => x.Database.ExecuteSqlAsync($"select set_config({setting.Split('=')[0]}, {setting.Split('=')[1]}, false)"));
            var tally = new Tally { CorrelationId = Guid.NewGuid(), CurrentState = "Counting" };
            db.Add(tally);
            await CommitAsync();
            await CountAsync(10); // from the sixth time on a plan is kept
            await db.Database.ExecuteSqlRawAsync(
                """insert into "Tallies" ("CorrelationId", "CurrentState", "Name", "Count") select gen_random_uuid(), 'Counting', '', 0 from generate_series(1, 20000)""");
            var before = await warm.Use(ReadsAsync);
            await CountAsync(10);
            var after = await warm.Use(ReadsAsync);

            Assert.That(tally.Count, Is.EqualTo(20));
            Assert.That(after.ByKey, Is.EqualTo(before.ByKey + 10));
            Assert.That(after.Whole, Is.EqualTo(before.Whole));

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

    static Task<List<string>> PreparedAsync(TestDbContext db) =>
        db.Database.SqlQueryRaw<string>("""select statement as "Value" from pg_prepared_statements""").ToListAsync();

    /// <summary>How often the table was read, as PostgreSQL counts it.</summary>
    static async Task<(long ByKey, long Whole)> ReadsAsync(TestDbContext db)
    {
        await db.Database.ExecuteSqlRawAsync("select pg_stat_force_next_flush()");
        var reads = await db.Database.SqlQueryRaw<long>(
            """select unnest(array[idx_scan, seq_scan]) as "Value" from pg_stat_user_tables where relname = 'Tallies'""").ToListAsync();
        return (reads[0], reads[1]);
    }
}
