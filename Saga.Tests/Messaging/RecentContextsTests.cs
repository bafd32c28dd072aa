using MassTransit;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_connections_are_kept_warm() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_use_the_one_that_was_used_last()
    {
        var warm = await StartAsync();
        var first = await warm.Use(PidAsync);
        var (together, alone) = (new TaskCompletionSource(), new TaskCompletionSource());
        var other = warm.Use(async db =>
        {
            var pid = await PidAsync(db);
            together.SetResult();
            await alone.Task;
            return pid;
        });
        await together.Task;
        var second = await warm.Use(PidAsync);
        alone.SetResult();

        Assert.That(await other, Is.EqualTo(first));
        Assert.That(second, Is.Not.EqualTo(first), "two at once have one each");
        for (var i = 0; i < 5; i++)
            Assert.That(await warm.Use(PidAsync), Is.EqualTo(first), "of two that rest, the one that was used last");
    }

    [Test]
    public async Task Should_have_forgotten_what_the_last_one_tracked()
    {
        var warm = await StartAsync();
        await warm.Use(db =>
        {
            db.Add(new Tally { CorrelationId = Guid.NewGuid() });
            return Task.FromResult(true);
        });
        Assert.That(await warm.Use(db => Task.FromResult(db.ChangeTracker.Entries().Count())), Is.Zero);
    }

    [Test]
    public async Task Should_open_others_when_one_is_lost()
    {
        var warm = await StartAsync();
        var lost = await Task.WhenAll(warm.Use(AfterAWhileAsync), warm.Use(AfterAWhileAsync), warm.Use(AfterAWhileAsync));
        Assert.That(lost, Is.Unique);
        await QueryAsync(db => db.Database.ExecuteSqlAsync($"select pg_terminate_backend(pid) from unnest({lost}) as pid"));

        Assert.That(() => warm.Use(PidAsync), Throws.InvalidOperationException.With.InnerException.InstanceOf<PostgresException>(), "nobody knows it before it is used");
        for (var i = 0; i < lost.Length; i++)
            Assert.That(lost, Has.None.EqualTo(await warm.Use(PidAsync)), "one failure is enough to know it of all");
    }

    [Test]
    public async Task Should_not_use_one_again_whose_work_has_failed()
    {
        var warm = await StartAsync();
        await warm.Use(PidAsync);
        DbContext? failed = null;
        Assert.That(() => warm.Use<int>(db =>
        {
            failed = db;
            throw new InvalidOperationException("the work has failed");
        }), Throws.InvalidOperationException);
        Assert.That(await warm.Use(Task.FromResult<DbContext>), Is.Not.SameAs(failed));
    }

    [Test]
    public async Task Should_close_them_at_the_end()
    {
        var warm = await StartAsync();
        var db = await warm.Use(Task.FromResult<TestDbContext>);
        var connection = db.Database.GetDbConnection();
        warm.Dispose();
        Assert.That(connection.State, Is.EqualTo(System.Data.ConnectionState.Closed));
        db = await warm.Use(Task.FromResult<TestDbContext>);
        Assert.That(() => db.Set<Tally>().CountAsync(), Throws.TypeOf<ObjectDisposedException>(), "who comes late leaves nothing open");
    }

    async Task<RecentContexts<TestDbContext>> StartAsync() =>
        ActivatorUtilities.CreateInstance<RecentContexts<TestDbContext>>((await StartReplicaAsync(consumes: false)).Services);

    static async Task<int> AfterAWhileAsync(TestDbContext db)
    {
        await db.Database.ExecuteSqlAsync($"select pg_sleep(0.3)");
        return await PidAsync(db);
    }

    static Task<int> PidAsync(TestDbContext db) => db.Database.SqlQuery<int>($"""select pg_backend_pid() as "Value" """).SingleAsync();
}
