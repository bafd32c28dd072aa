using Npgsql;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture("serializable", Category = "E2E"), TestFixture("repeatable read", Category = "Long")]
public sealed class When_sessions_have_other_defaults(string level) : EnvironmentFixture
{
    static readonly string[] OrderTables = ["orders", "inbox_state", "outbox_message"];
    static readonly string[] AccountTables = ["accounts", "reservations", "inbox_state", "outbox_message"];

    protected override string ChangeDatabase(string connectionString)
    {
        ExecuteAsAdmin(connectionString, $$"""
            alter role "{role}" set default_transaction_isolation = '{{level}}';
            alter role "{role}" set statement_timeout = '1min';
            """);
        return connectionString;
    }

    [Test]
    public async Task Should_write_with_the_settings_of_the_service()
    {
        await ExecuteAsync(System.OrderDatabase, RefuseOtherSettings(OrderTables));
        await ExecuteAsync(System.AccountDatabase, RefuseOtherSettings(AccountTables));
        await AssertOrdersCompleteAsync();
    }

    static string RefuseOtherSettings(string[] tables) => """
        create function check_settings() returns trigger language plpgsql as $$ begin
            if current_setting('transaction_isolation') <> 'read committed' then
                raise exception 'the transaction is %', current_setting('transaction_isolation');
            end if;
            if current_setting('statement_timeout') <> '0' then
                raise exception 'a statement may take %', current_setting('statement_timeout');
            end if;
            return null;
        end $$;
        """ + string.Concat(tables.Select(x => $"""

            create trigger check_settings after insert or update or delete on {x}
                for each statement execute function check_settings();
            """));
}

[TestFixture, Category("E2E")]
public sealed class When_a_service_owns_its_database : EnvironmentFixture
{
    protected override OrderSystemOptions Options => base.Options with { RunAsOwner = true };

    protected override string ChangeDatabase(string connectionString)
    {
        ExecuteAsAdmin(connectionString, """
            create schema saga authorization "{role}";
            do $$ begin execute format('alter database %I set search_path = saga', current_database()); end $$;
            """);
        return connectionString;
    }

    [Test]
    public async Task Should_complete_orders_with_tables_in_another_schema()
    {
        await AssertOrdersCompleteAsync();
        foreach (var database in new[] { System.OrderDatabase, System.AccountDatabase })
            Assert.That(await CountAsync(database, "select count(*) from pg_tables where schemaname = 'public'"),
                Is.Zero);
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

    [TestCase("ConnectionStrings__Database", "Hots=a", "ConnectionStrings:Database cannot be read")]
    [TestCase("ConnectionStrings__Database", "Database=a", "ConnectionStrings:Database cannot be used")]
    [TestCase("ConnectionStrings__RabbitMq", "amqp://orders@localhost/", "without a password")]
    [TestCase("ConnectionStrings__RabbitMq", "localhost", "ConnectionStrings:RabbitMq is not set, or not an address")]
    [TestCase("Saga__ReservationTimeout", "soon", "Saga:ReservationTimeout")]
    [TestCase("Admission__MaxOpenOrders", "0", "MaxOpenOrders")]
    [TestCase("Database__MigrateAtStartup", "maybe", "Database:MigrateAtStartup")]
    [TestCase("Messaging__Prefetch", "many", "Messaging:Prefetch")]
    [TestCase("Authentication__Enabled", "perhaps", "Authentication:Enabled")]
    [TestCase("ConnectionStrings__Database", "Host=a;SSL Certificate=/nowhere", "there is no file /nowhere")]
    [TestCase("RabbitMq__PasswordFile", "/nowhere", "A file of section RabbitMq cannot be used")]
    [TestCase("RabbitMq__CaFile", "/nowhere", "Section RabbitMq has files for TLS")]
    [TestCase("Kestrel__Endpoints__Http__Url", "here", "Invalid url: 'here'")]
    [TestCase("Kestrel__Endpoints__Http__Url", "http://192.0.2.1:5102", "one of http://127.0.0.1")]
    [TestCase("Metrics__Url", "metrics", "Section Metrics: Invalid url")]
    [TestCase("Metrics__Url", "http://127.0.0.1:70000", "Section Metrics: Invalid url")]
    [TestCase("Operations__Url", "http://orders:5104", "Section Operations: Url is http://orders:5104, but must be")]
    public async Task Should_say_in_one_line_which_setting_is_wrong(string name, string value, string line)
    {
        await using var service = await StartedService.StartAsync("Order", x => x[name] = value);
        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains(line));
        Assert.That(await File.ReadAllTextAsync(service.Replica.LogFile), Does.Not.Contain("   at "));
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
