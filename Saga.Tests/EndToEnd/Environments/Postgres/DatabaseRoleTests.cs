using Npgsql;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.EndToEnd.Operators;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>What each role of a database must not do, tried with its login; and what it needs to do.</summary>
[TestFixture, Category("E2E")]
public sealed class When_a_role_exceeds_its_rights : OperatorFixture
{
    const string Denied = PostgresErrorCodes.InsufficientPrivilege;
    const string Raised = PostgresErrorCodes.RaiseException;

    /// <summary>An order of January 2020.</summary>
    const string OldId = "016f5e66-e800-7000-8000-000000000000";

    /// <summary>What neither the service nor a reader can do in any of the databases.</summary>
    static readonly string[] NeverAllowed =
    [
        "create table stolen (id int)", "create temporary table ledger_entries (id int)", "create schema mine",
        "create view mine as select 1", "create function f() returns int language sql as 'select 1'",
        "create extension pgcrypto", "create publication mine for all tables",
        "drop table data_protection_keys", "alter table data_protection_keys add column mine int",
        "create index on data_protection_keys (xml)",
        "delete from \"__EFMigrationsHistory\"", "insert into \"__EFMigrationsHistory\" values ('9', '9')",
        "delete from data_protection_keys", "update data_protection_keys set xml = ''",
        "set session_replication_role = replica", "set role postgres", "alter system set fsync = off",
        "create role mine", "copy (select 1) to program 'true'", "copy (select 1) to '/tmp/ordersaga'",
        "select pg_read_file('/etc/passwd')", "select pg_reload_conf()",
    ];

    static readonly (string Service, string[] Statements)[] Tables =
    [
        ("Account",
        [
            "update ledger_entries set amount = 0", "delete from ledger_entries", "truncate ledger_entries",
            "alter table ledger_entries disable trigger user",
            "drop trigger ledger_is_append_only on ledger_entries",
            "drop function refuse_ledger_change cascade",
            "create or replace function refuse_ledger_change() returns trigger language plpgsql as "
                + "'begin return new; end'",
            "create trigger mine before insert on ledger_entries for each row execute function refuse_ledger_change()",
            "create rule mine as on insert to ledger_entries do instead nothing",
            "alter table ledger_entries enable row level security", "do $$ begin lock table ledger_entries; end $$",
            "select entry_id from ledger_entries for update", "alter table ledger_entries owner to current_user",
            "alter table accounts drop constraint ck_accounts_available",
            "delete from accounts", "truncate accounts", "delete from reservations", "truncate reservations",
            "insert into reservations_archive select * from reservations_archive",
            "update reservations_archive set amount = 0", "delete from reservations_archive",
            "insert into ledger_entries_archive select * from ledger_entries_archive",
            "update ledger_entries_archive set amount = 0", "delete from ledger_entries_archive",
            "truncate ledger_entries_archive",
            "alter table ledger_entries_archive detach partition ledger_entries_archive_2020_01",
            "delete from ledger_entries_archive_2020_01", "drop table ledger_entries_archive_2020_01",
            "select add_archive_partition('ledger_entries_archive', '2021-01-01')",
            "select setval('ledger_entries_entry_id_seq', 1)", "select nextval('ledger_entries_entry_id_seq')",
            "alter function archive_finished security invoker",
        ]),
        ("Order",
        [
            "insert into order_transitions (order_id, time, to_state) values (gen_random_uuid(), now(), 'Confirmed')",
            "update order_transitions set to_state = 'Confirmed'", "delete from order_transitions",
            "truncate order_transitions", "alter table order_transitions disable trigger user",
            "alter table orders disable trigger orders_updated", "drop trigger orders_updated on orders",
            "drop function record_order_transitions cascade",
            "delete from orders", "truncate orders", "drop table orders cascade",
            "insert into orders_archive select * from orders_archive", "update orders_archive set total = 0",
            "delete from orders_archive", "delete from orders_archive_2020_01",
            "delete from order_transitions_archive", "insert into archived_requests values (gen_random_uuid(), "
                + "gen_random_uuid())",
            "delete from archived_requests",
        ]),
        ("Operations",
        [
            "update audit_entries set reason = ''", "delete from audit_entries", "truncate audit_entries",
            "alter table audit_entries disable trigger user", "drop function refuse_audit_change cascade",
        ]),
    ];

    /// <summary>What only the service may do.</summary>
    static readonly (string Service, string[] Statements)[] Writes =
    [
        ("Account",
        [
            "update accounts set available = 1000", "insert into accounts select * from accounts",
            "insert into reservations select * from reservations", "update reservations set status = 'Held'",
            "insert into ledger_entries select * from ledger_entries", "delete from inbox_state",
            "delete from outbox_message", "insert into paused_queues select * from paused_queues",
            "select archive_finished(now() - interval '2 days', '00000000-0000-0000-0000-000000000000', 1)",
            "select xml from data_protection_keys",
        ]),
        ("Order",
        [
            "update orders set current_state = 'Confirmed'", "insert into orders select * from orders",
            "update outbox_message set parked = now()", "select order_id from orders for update",
            "select archive_finished(now() - interval '2 days', '00000000-0000-0000-0000-000000000000', 1)",
            "select xml from data_protection_keys",
        ]),
        ("Operations",
        [
            "insert into audit_entries select * from audit_entries", "delete from mismatches",
            "select xml from data_protection_keys",
        ]),
    ];

    /// <summary>What even the owner cannot do, as long as it does not change the schema.</summary>
    static readonly (string Service, string Statement, string Error)[] OwnerMoves =
    [
        ("Account", "update ledger_entries set amount = 0", Raised), ("Account", "delete from ledger_entries", Raised),
        ("Account", "truncate ledger_entries", Raised), ("Account", "delete from ledger_entries_archive", Raised),
        ("Order", "update order_transitions set to_state = 'Confirmed'", Raised),
        ("Order", "delete from order_transitions", Raised), ("Operations", "delete from audit_entries", Raised),
        ("Order", "update orders set placed_by = 'mallory'", Raised),
        ("Order", "update orders set cancelled_by = 'mallory'", Raised),
        ("Order", "update orders set cancelled_by = 'mallory', reason = 'TimedOut'", Raised),
        ("Account", "update accounts set opened_by = 'mallory'", Raised),
        ("Account", "set session_replication_role = replica", Denied), ("Account", "create role mine", Denied),
        ("Account", "alter system set fsync = off", Denied), ("Account", "copy (select 1) to program 'true'", Denied),
        ("Order", "select pg_read_file('/etc/passwd')", Denied), ("Operations", "create database mine", Denied),
    ];

    protected override bool CopiesDatabases => false;

    static IEnumerable<TestCaseData> RuntimeMoves() =>
        from service in Tables
        from sql in NeverAllowed.Concat(service.Statements)
        select new TestCaseData(service.Service, sql);

    static IEnumerable<TestCaseData> ReaderMoves() =>
        from service in Tables
        from sql in NeverAllowed.Concat(service.Statements)
            .Concat(Writes.Where(x => x.Service == service.Service).SelectMany(x => x.Statements))
        select new TestCaseData(service.Service, sql);

    static IEnumerable<TestCaseData> MovesOfOwners() =>
        OwnerMoves.Select(x => new TestCaseData(x.Service, x.Statement, x.Error));

    [OneTimeSetUp]
    public async Task WriteRowsAsync()
    {
        var account = await OpenAccountAsync(10);
        await AssertConfirmedAsync(await PlaceOrderAsync(account, 1));
        await ExecuteWithAsync(System.AccountLogins.Owner, "select add_archive_partitions("
            + $"array['reservations_archive', 'ledger_entries_archive'], array['{OldId}'::uuid])");
        await ExecuteWithAsync(System.OrderLogins.Owner, "select add_archive_partitions("
            + $"array['orders_archive', 'order_transitions_archive'], array['{OldId}'::uuid])");
    }

    [TestCaseSource(nameof(RuntimeMoves))]
    public void Should_refuse_the_service(string service, string sql) =>
        AssertRefused(LoginsOf(service).Runtime, sql, Denied);

    [TestCaseSource(nameof(ReaderMoves))]
    public void Should_refuse_a_reader(string service, string sql) =>
        AssertRefused(LoginsOf(service).Reader, sql, Denied);

    [TestCaseSource(nameof(MovesOfOwners))]
    public void Should_refuse_the_owner(string service, string sql, string error) =>
        AssertRefused(LoginsOf(service).Owner, sql, error);

    [Test]
    public void Should_admit_no_role_to_the_database_of_another_service()
    {
        var all = new[] { "Order", "Account", "Operations" }.Select(LoginsOf).ToList();
        foreach (var own in all)
            foreach (var other in all.Where(x => x != own))
                foreach (var login in (string[])[own.Owner, own.Runtime, own.Reader])
                {
                    var foreign = new NpgsqlConnectionStringBuilder(login)
                    {
                        Database = new NpgsqlConnectionStringBuilder(other.Owner).Database,
                    };
                    AssertRefused(foreign.ConnectionString, "select 1", Denied);
                }
    }

    [Test]
    public async Task Should_let_readers_read_every_other_table_and_view(
        [Values("Order", "Account", "Operations")] string service)
    {
        await using var source = NpgsqlDataSource.Create($"{LoginsOf(service).Reader};Pooling=false");
        await using var list = source.CreateCommand("""
            select quote_ident(relname) from pg_class where relnamespace = 'public'::regnamespace
                and relkind in ('r', 'p', 'v') and relname <> 'data_protection_keys'
            """);
        var tables = new List<string>();
        await using (var rows = await list.ExecuteReaderAsync())
            while (await rows.ReadAsync())
                tables.Add(rows.GetString(0));

        Assert.That(tables, Has.Count.GreaterThanOrEqualTo(4));
        foreach (var table in tables)
            Assert.That(() => ExecuteWithAsync(LoginsOf(service).Reader, $"select * from {table} limit 1"),
                Throws.Nothing, table);
    }

    /// <summary>
    /// A table of the caller, in front of the one that a function of the owner means, would lose rows.
    /// </summary>
    [Test]
    public async Task Should_archive_into_no_temporary_table_of_the_caller()
    {
        await ExecuteAsync(System.AccountDatabase, $"grant temporary on database {System.AccountDatabase} to public");
        try
        {
            await using var source = NpgsqlDataSource.Create($"{LoginsOf("Account").Runtime};Pooling=false");
            await using var connection = await source.OpenConnectionAsync();
            var old = await LeaveOldReservationAsync();
            await using var archive = new NpgsqlCommand("""
                create temporary table reservations_archive (like public.reservations_archive including all);
                create temporary table ledger_entries_archive (like public.ledger_entries_archive including all);
                grant all on pg_temp.reservations_archive, pg_temp.ledger_entries_archive to public;
                select archive_finished(now() - interval '2 days', '00000000-0000-0000-0000-000000000000', 100);
                """, connection);
            await archive.ExecuteNonQueryAsync();

            Assert.That(await CountAsync(System.AccountDatabase,
                $"select count(*) from all_reservations where order_id = '{old}'"), Is.EqualTo(1));
        }
        finally
        {
            await ExecuteAsync(System.AccountDatabase,
                $"revoke temporary on database {System.AccountDatabase} from public");
        }
    }

    async Task<Guid> LeaveOldReservationAsync()
    {
        var id = Service.Defaults.OrderId.First(DateTime.UtcNow.AddDays(-20));
        await ExecuteAsync(System.AccountDatabase, $"""
            insert into reservations (order_id, account_id, amount, currency, status, create_time, update_time)
            values ('{id}', gen_random_uuid(), 1, 'EUR', 'Rejected', now() - interval '20 days',
                now() - interval '20 days')
            """);
        return id;
    }

    DatabaseLogins LoginsOf(string service) => service switch
    {
        "Order" => System.OrderLogins,
        "Account" => System.AccountLogins,
        _ => System.OperationsLogins!,
    };

    static void AssertRefused(string login, string sql, string error) =>
        Assert.That(() => ExecuteWithAsync(login, sql), Throws.TypeOf<PostgresException>()
            .With.Property(nameof(PostgresException.SqlState)).EqualTo(error));

    static async Task ExecuteWithAsync(string login, string sql)
    {
        await using var source = NpgsqlDataSource.Create($"{login};Pooling=false");
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
