using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

/// <summary>A backup or a forgotten transaction keeps deleted rows in the indexes.</summary>
[TestFixture, Category("Integration")]
public sealed class When_an_old_snapshot_keeps_deleted_rows() : MessagingFixture(grouped: true)
{
    const int DeletedRows = 20_000;
    const int Scans = 10;

    [Test]
    public async Task Should_read_them_once_and_not_in_every_scan()
    {
        // As both services do; the table is too small for the planner to prefer an index.
        await QueryAsync(db => db.Database.ExecuteSqlRawAsync("""
            do $$ begin
                execute format('alter database %I set enable_seqscan = off', current_database());
            end $$
            """));
        var replica = await StartIdleReplicaAsync();
        var store = replica.Services.GetRequiredService<OutboxStore<TestDbContext>>();
        await using var old = NewContext();
        await using var snapshot = await old.Database.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        await old.Set<OutboxMessage>().CountAsync();
        await QueryAsync(InsertAndDeleteAsync);

        var first = await ReadRowsAsync(ScanAsync);
        Assert.That(first, Is.GreaterThan(DeletedRows), "the snapshot keeps the rows");
        var later = await ReadRowsAsync(async () =>
        {
            for (var i = 0; i < Scans; i++)
                await ScanAsync();
        });
        Assert.That(later, Is.LessThan(DeletedRows / 10));

        async Task ScanAsync()
        {
            await store.Claim(Guid.NewGuid(), retries: false, default);
            await store.Claim(Guid.NewGuid(), retries: true, default);
            await store.Adopt([], default);
            await store.FindOwn(Guid.NewGuid(), default);
            await store.Purge(default);
        }
    }

    static Task<int> InsertAndDeleteAsync(TestDbContext db) => db.Database.ExecuteSqlRawAsync("""
        insert into "OutboxMessage" ("Id", "MessageId", "SentTime", "EnqueueTime", "DestinationAddress", "MessageType",
            "ContentType", "Body", "Attempts")
        select gen_random_uuid(), gen_random_uuid(), now(), now() - n * interval '1 second', '', '', '', '', 0
        from generate_series(100, 100 + {0}) as n;
        insert into "InboxState" ("MessageId", "ConsumerId", "Consumed")
        select gen_random_uuid(), gen_random_uuid(), now() - interval '2 days' - n * interval '1 second'
        from generate_series(1, {0}) as n;
        delete from "OutboxMessage";
        delete from "InboxState";
        analyze "OutboxMessage", "InboxState";
        """, DeletedRows);

    /// <summary>Returns how many entries of indexes PostgreSQL reads during some work.</summary>
    async Task<long> ReadRowsAsync(Func<Task> work)
    {
        var before = await QueryAsync(CountAsync);
        await work();
        return await QueryAsync(CountAsync) - before;

        static async Task<long> CountAsync(TestDbContext db)
        {
            for (long? last = null; ;)
            {
                await Task.Delay(TimeSpan.FromSeconds(1.5)); // PostgreSQL reports statistics once a second
                var count = await db.Database.SqlQueryRaw<long>("""
                    select sum(idx_tup_read)::bigint as "Value" from pg_stat_user_indexes
                    where relname in ('OutboxMessage', 'InboxState')
                    """).SingleAsync();
                if (count == last)
                    return count;
                last = count;
            }
        }
    }
}
