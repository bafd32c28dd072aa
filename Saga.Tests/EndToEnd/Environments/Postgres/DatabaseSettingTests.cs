using Npgsql;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture("serializable", Category = "E2E"), TestFixture("repeatable read", Category = "Long")]
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
public sealed class When_a_service_owns_its_database : EnvironmentFixture
{
    protected override OrderSystemOptions Options => base.Options with { RunAsOwner = true };

    [Test]
    public Task Should_complete_orders() => AssertOrdersCompleteAsync();
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

    [TestCase("no_such_role", "\"no_such_role\" does not exist"), TestCase("", "Only one of")]
    public async Task Should_name_the_role_that_is_missing(string role, string line)
    {
        await using var service = await StartedService.StartAsync("Account", x =>
        {
            x["Database__RuntimeRole"] = role;
            x["Database__ReaderRole"] = "pg_monitor";
        });
        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains(line));
    }
}
