using Messaging.Postgres;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_recent_connections_are_reused() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_reuse_the_most_recently_used_connection()
    {
        var contexts = await StartAsync();
        var first = await contexts.Use(PidAsync);
        var (started, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        var concurrent = contexts.Use(async db =>
        {
            var pid = await PidAsync(db);
            started.SetResult();
            await release.Task;
            return pid;
        });
        await started.Task;
        var second = await contexts.Use(PidAsync);
        release.SetResult();

        Assert.That(await concurrent, Is.EqualTo(first));
        Assert.That(second, Is.Not.EqualTo(first), "concurrent users have separate connections");
        for (var i = 0; i < 5; i++)
            Assert.That(await contexts.Use(PidAsync), Is.EqualTo(first), "the one that was returned last");
    }

    [Test]
    public async Task Should_track_no_entities_of_the_previous_use()
    {
        var contexts = await StartAsync();
        await contexts.Use(db =>
        {
            db.Add(new Tally { CorrelationId = Guid.NewGuid() });
            return Task.FromResult(true);
        });
        Assert.That(await contexts.Use(db => Task.FromResult(db.ChangeTracker.Entries().Count())), Is.Zero);
    }

    [Test]
    public async Task Should_replace_all_idle_connections_when_one_is_lost()
    {
        var clock = new TestClock(); // a connection that was idle for long would be checked before it is used
        var contexts = await StartAsync(clock, new IdleConnections(clock));
        var lost = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => contexts.Use(PidAfterPauseAsync)));
        Assert.That(lost, Is.Unique);
        await QueryAsync(db =>
            db.Database.ExecuteSqlAsync($"select pg_terminate_backend(pid) from unnest({lost}) as pid"));

        Assert.That(() => contexts.Use(PidAsync),
            Throws.InvalidOperationException.With.InnerException.InstanceOf<PostgresException>(),
            "the loss is found only when the connection is used");
        for (var i = 0; i < lost.Length; i++)
            Assert.That(lost, Has.None.EqualTo(await contexts.Use(PidAsync)), "one loss discards all idle connections");
    }

    [Test]
    public async Task Should_not_reuse_a_context_whose_work_has_failed()
    {
        var contexts = await StartAsync();
        await contexts.Use(PidAsync);
        DbContext? failed = null;
        Assert.That(() => contexts.Use<int>(db =>
        {
            failed = db;
            throw new InvalidOperationException("the work has failed");
        }), Throws.InvalidOperationException);
        Assert.That(await contexts.Use(Task.FromResult<DbContext>), Is.Not.SameAs(failed));
    }

    [Test]
    public async Task Should_close_connections_to_a_server_that_is_not_the_primary_any_more()
    {
        var primary = new Primary();
        var contexts = await StartAsync(primary);
        var closed = 0;
        await contexts.Use(db =>
        {
            db.Database.GetDbConnection().StateChange += (_, e) =>
                closed += e.CurrentState == System.Data.ConnectionState.Closed ? 1 : 0;
            return Task.FromResult(true);
        });
        await contexts.Use(PidAsync);
        Assert.That(closed, Is.Zero);
        primary.HasMoved = true;
        await contexts.Use(PidAsync);
        Assert.That(closed, Is.EqualTo(1));
    }

    [Test]
    public async Task Should_close_all_connections_when_disposed()
    {
        var contexts = await StartAsync();
        var db = await contexts.Use(Task.FromResult<TestDbContext>);
        var connection = db.Database.GetDbConnection();
        contexts.Dispose();
        Assert.That(connection.State, Is.EqualTo(System.Data.ConnectionState.Closed));
        db = await contexts.Use(Task.FromResult<TestDbContext>);
        Assert.That(() => db.Set<Tally>().CountAsync(), Throws.TypeOf<ObjectDisposedException>(),
            "a context that is returned after that is disposed too");
    }

    async Task<RecentContexts<TestDbContext>> StartAsync(params object[] services)
    {
        var replica = await StartReplicaAsync(withConsumers: false);
        return ActivatorUtilities.CreateInstance<RecentContexts<TestDbContext>>(replica.Services, services);
    }

    sealed class Primary : IPrimaryServer
    {
        public bool HasMoved { get; set; }
        public bool IsCurrent(NpgsqlConnection connection) => !HasMoved;
        public void ClearPool() => throw new NotSupportedException();
    }

    static async Task<int> PidAfterPauseAsync(TestDbContext db)
    {
        await db.Database.ExecuteSqlAsync($"select pg_sleep(0.3)");
        return await PidAsync(db);
    }

    static Task<int> PidAsync(TestDbContext db) =>
        db.Database.SqlQuery<int>($"""select pg_backend_pid() as "Value" """).SingleAsync();
}
