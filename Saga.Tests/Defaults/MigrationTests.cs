using Accounts;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql;
using Orders;
using Saga.Tests.Support;
using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Integration")]
public sealed class When_databases_are_migrated
{
    [Test]
    public async Task Should_apply_all_migrations_to_an_empty_database_and_revert_them()
    {
        var old = Service.Defaults.OrderId.First(DateTime.UtcNow.AddDays(-40));
        await MigrateAsync(x => new OrderDbContext(x.Of<OrderDbContext>()), $"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
                resend_time)
            values ('{old}', 'Rejected', '{old}', '[]', 1, 'EUR', '2026-01-01', '2026-01-01', null)
            """, "orders");
        await MigrateAsync(x => new AccountDbContext(x.Of<AccountDbContext>()), $"""
            insert into reservations (order_id, account_id, amount, currency, status, create_time, update_time)
            values ('{old}', '{old}', 1, 'EUR', 'Rejected', '2026-01-01', '2026-01-01')
            """, "reservations");

        static async Task MigrateAsync<T>(Func<Connection, T> create, string insert, string table) where T : DbContext
        {
            var servers = await TestServers.GetAsync();
            var name = TestServers.NewName("migrated");
            try
            {
                await using var db = create(new Connection(await servers.Postgres.CreateDatabaseAsync(name)));
                await db.Database.MigrateAsync();
                Assert.That(db.Database.HasPendingModelChanges(), Is.False,
                    $"{typeof(T).Name} has changed without a migration");
                await db.Database.MigrateAsync("DatabaseRoles"); // and the archive of the build before works
                var archive = $"""
                    {insert};
                    select archive_finished(now() - interval '2 days', '{Guid.Empty}', 1);
                    """;
                await db.Database.ExecuteSqlRawAsync(archive);
                var count = $"select count(*)::int as \"Value\" from {table}_archive join all_{table} using (order_id)";
                Assert.That(await db.Database.SqlQueryRaw<int>(count).SingleAsync(), Is.EqualTo(1));
                await db.Database.MigrateAsync();
                Assert.That(await db.Database.SqlQueryRaw<int>(count).SingleAsync(), Is.EqualTo(1));
                await db.Database.MigrateAsync("0");
                await db.Database.MigrateAsync();
            }
            finally
            {
                await servers.Postgres.DropDatabaseAsync(name);
            }
        }
    }

    [Test]
    public async Task Should_give_a_migration_more_time_than_a_command()
    {
        var servers = await TestServers.GetAsync();
        var name = TestServers.NewName("slow");
        try
        {
            var connection = await servers.Postgres.CreateDatabaseAsync(name);
            var builder = WebApplication.CreateSlimBuilder();
            builder.Configuration["ConnectionStrings:Database"] = $"{connection};Command Timeout=1";
            builder.Configuration["Database:WaitAtStartup"] = "00:00:30";
            builder.AddDatabase<SlowDbContext>();
            await builder.Build().MigrateAsync<SlowDbContext>(["--migrate"]);

            await using var db = new SlowDbContext(new Connection(connection).Of<SlowDbContext>());
            Assert.That(await db.Database.GetPendingMigrationsAsync(), Is.Empty);
        }
        finally
        {
            await servers.Postgres.DropDatabaseAsync(name);
        }
    }

    [Test]
    public async Task Should_deny_each_service_access_to_the_database_of_the_other()
    {
        var servers = await TestServers.GetAsync();
        var (one, two) = (TestServers.NewName("one"), TestServers.NewName("two"));
        try
        {
            var own = await servers.Postgres.CreateDatabaseAsync(one);
            await servers.Postgres.CreateDatabaseAsync(two);
            var foreign = new NpgsqlConnectionStringBuilder(own) { Database = two, Pooling = false }.ConnectionString;
            await using var connection = new NpgsqlConnection(foreign);
            Assert.That(() => connection.OpenAsync(),
                Throws.TypeOf<PostgresException>().With.Property("SqlState").EqualTo("42501"));
        }
        finally
        {
            await servers.Postgres.DropDatabaseAsync(one);
            await servers.Postgres.DropDatabaseAsync(two);
        }
    }

    [Test]
    public async Task Should_reject_every_change_of_a_ledger_entry(
        [Values("update ledger_entries set amount = 0", "delete from ledger_entries", "truncate ledger_entries")]
        string sql)
    {
        var servers = await TestServers.GetAsync();
        var name = TestServers.NewName("ledger");
        try
        {
            var connection = new Connection(await servers.Postgres.CreateDatabaseAsync(name));
            await using var db = new AccountDbContext(connection.Of<AccountDbContext>());
            await db.Database.MigrateAsync();
            await db.Database.ExecuteSqlRawAsync("""
                insert into ledger_entries
                    (account_id, kind, amount, available_after, held_after, captured_after, create_time)
                values (gen_random_uuid(), 'Deposit', 1, 1, 0, 0, now())
                """);
            Assert.That(() => db.Database.ExecuteSqlRawAsync(sql),
                Throws.TypeOf<PostgresException>().With.Message.Contains("never changed"));
        }
        finally
        {
            await servers.Postgres.DropDatabaseAsync(name);
        }
    }

    [Test]
    public async Task Should_create_the_triggers_of_the_sql_files()
    {
        await AssertTriggerAsync(x => new AccountDbContext(x.Of<AccountDbContext>()),
            "ledger_is_append_only.sql", "refuse_ledger_change", "ledger_is_append_only");
        await AssertTriggerAsync(x => new OrderDbContext(x.Of<OrderDbContext>()),
            "order_transitions_are_append_only.sql", "refuse_transition_change", "order_transitions_are_append_only");
        await AssertTriggerAsync(x => new AccountDbContext(x.Of<AccountDbContext>()),
            "ledger_is_append_only.sql", "refuse_ledger_change", "ledger_entries_are_not_lost");
        await AssertTriggerAsync(x => new OrderDbContext(x.Of<OrderDbContext>()),
            "order_transitions_are_append_only.sql", "refuse_transition_change", "order_transitions_are_not_lost");
        await AssertTriggerAsync(x => new OrderDbContext(x.Of<OrderDbContext>()),
            "record_order_transitions.sql", "record_order_transitions", "orders_updated");

        static async Task AssertTriggerAsync<T>(
            Func<Connection, T> create, string file, string function, string trigger) where T : DbContext
        {
            var servers = await TestServers.GetAsync();
            var name = TestServers.NewName("triggers");
            try
            {
                await using var db = create(new Connection(await servers.Postgres.CreateDatabaseAsync(name)));
                await db.Database.MigrateAsync();
                var migrated = await DefinitionAsync();
                var replace = $"drop function {function} cascade;\n{EmbeddedFile.Read<T>(file)}";
                await db.Database.ExecuteSqlRawAsync(replace);
                Assert.That(migrated, Is.EqualTo(await DefinitionAsync()),
                    $"{file} is stale: a later migration changes its trigger");

                Task<string> DefinitionAsync() => db.Database.SqlQueryRaw<string>("""
                    select pg_get_functiondef(p.oid) || pg_get_triggerdef(t.oid) as "Value"
                    from pg_trigger t join pg_proc p on p.oid = t.tgfoid where p.proname = {0} and t.tgname = {1}
                    """, function, trigger).SingleAsync();
            }
            finally
            {
                await servers.Postgres.DropDatabaseAsync(name);
            }
        }
    }

    sealed record Connection(string ConnectionString)
    {
        public DbContextOptions<T> Of<T>() where T : DbContext =>
            new DbContextOptionsBuilder<T>().UseNpgsql(ConnectionString + ";Pooling=false")
                .UseSnakeCaseNamingConvention().Options;
    }

    sealed class SlowDbContext(DbContextOptions<SlowDbContext> options) : DbContext(options);

    [DbContext(typeof(SlowDbContext)), Migration("20260101000000_Slow")]
    sealed class Slow : Migration
    {
        protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("select pg_sleep(2)");
    }
}
