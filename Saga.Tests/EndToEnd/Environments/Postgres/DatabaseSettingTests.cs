using Npgsql;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture("serializable"), TestFixture("repeatable read"), Category("E2E")]
public sealed class When_transactions_have_another_default_isolation(string level) : EnvironmentFixture
{
    static readonly string[] OrderTables = ["orders", "inbox_state", "outbox_message"];
    static readonly string[] AccountTables = ["accounts", "reservations", "inbox_state", "outbox_message"];

    protected override string ChangeDatabase(string connectionString)
    {
        ExecuteAsAdmin(connectionString, $"alter role \"{{role}}\" set default_transaction_isolation = '{level}'");
        return connectionString;
    }

    [Test]
    public async Task Should_write_in_read_committed_transactions_only()
    {
        await ExecuteAsync(System.OrderDatabase, RefuseOtherLevels(OrderTables));
        await ExecuteAsync(System.AccountDatabase, RefuseOtherLevels(AccountTables));
        await AssertOrdersCompleteAsync();
    }

    static string RefuseOtherLevels(string[] tables) => """
        create function check_isolation() returns trigger language plpgsql as $$ begin
            if current_setting('transaction_isolation') <> 'read committed' then
                raise exception 'the transaction is %', current_setting('transaction_isolation');
            end if;
            return null;
        end $$;
        """ + string.Concat(tables.Select(x => $"""

            create trigger check_isolation after insert or update or delete on {x}
                for each statement execute function check_isolation();
            """));
}

[TestFixture, Category("E2E")]
public sealed class When_the_role_cannot_change_the_schema : EnvironmentFixture
{
    /// <summary>The owner has migrated; the service has a role with the rights to read and write rows only.</summary>
    protected override string ChangeDatabase(string connectionString)
    {
        var service = new NpgsqlConnectionStringBuilder(connectionString);
        var program = service.Database!.StartsWith("orders", StringComparison.Ordinal) ? "Order" : "Account";
        MigrateAsync(program, connectionString).Wait();
        service.Username += "_app";
        ExecuteAsAdmin(service.ConnectionString, """
            drop role if exists "{role}";
            create role "{role}" login password 'local';
            do $$ begin execute format('grant connect on database %I to "{role}"', current_database()); end $$;
            grant select, insert, update, delete on all tables in schema public to "{role}";
            grant usage on all sequences in schema public to "{role}";
            """);
        return service.ConnectionString;
    }

    /// <summary>While the databases exist: they have the rights of the roles.</summary>
    [OneTimeTearDown]
    public async Task DropRolesAsync()
    {
        foreach (var database in (string[])[System.OrderDatabase, System.AccountDatabase])
            await ExecuteAsync(database, $"drop owned by \"{database}_app\"; drop role \"{database}_app\"");
    }

    [Test]
    public Task Should_complete_orders() => AssertOrdersCompleteAsync();

    static async Task MigrateAsync(string program, string owner)
    {
        await using var replica = new Services.ServiceReplica((await TestServers.GetAsync()).Folder,
            Services.ServicePrograms.Published.Find(program), TestServers.NewName("migrate"),
            Services.ReplicaPorts.Pick(), new Dictionary<string, string>
            {
                [Database] = owner,
                ["ConnectionStrings__RabbitMq"] = "amqp://not.used/",
            });
        Assert.That(await replica.MigrateAsync(), Is.Zero);
    }
}

[TestFixture, Category("E2E")]
public sealed class When_a_database_cannot_be_used
{
    [Test]
    public async Task Should_refuse_an_encoding_that_cannot_store_every_text(
        [Values("SQL_ASCII", "LATIN1")] string encoding)
    {
        await using var service = await StartedService.StartAsync("Order", x =>
        {
            var name = new NpgsqlConnectionStringBuilder(x["ConnectionStrings__Database"]).Database;
            var servers = TestServers.GetAsync().Result;
            using var admin = NpgsqlDataSource.Create(servers.Postgres.Admin() + ";Pooling=false");
            foreach (var sql in (string[])[$"drop database \"{name}\"", $"create database \"{name}\" owner \"{name}\" "
                + $"template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C'"])
            {
                using var command = admin.CreateCommand(sql);
                command.ExecuteNonQuery();
            }
        });
        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains($"has the encoding {encoding}"));
    }

    [Test]
    public async Task Should_name_the_missing_right_when_the_role_cannot_migrate()
    {
        await using var service = await StartedService.StartAsync("Account", x => EnvironmentFixture.ExecuteAsAdmin(
            x["ConnectionStrings__Database"],
            "alter schema public owner to postgres; revoke create on schema public from public"));
        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains("run --migrate with the owner's connection string"));
    }
}
