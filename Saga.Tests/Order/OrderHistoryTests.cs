using Microsoft.EntityFrameworkCore;
using Npgsql;
using Orders;
using Saga.Audit;
using Saga.Tests.Support;
using Service.Defaults;

namespace Saga.Tests.Orders;

/// <summary>The trigger that records the transitions of orders, on a database without a service.</summary>
[TestFixture, Category("Integration")]
public sealed class When_orders_change_in_the_database
{
    readonly string _name = TestServers.NewName("history");
    OrderDbContext _db = null!;

    [OneTimeSetUp]
    public async Task CreateAsync()
    {
        var connection = await (await TestServers.GetAsync()).Postgres.CreateDatabaseAsync(_name);
        _db = new OrderDbContext(new DbContextOptionsBuilder<OrderDbContext>().UseNpgsql($"{connection};Pooling=false")
            .UseSnakeCaseNamingConvention().Options);
        await _db.Database.MigrateAsync();
    }

    [OneTimeTearDown]
    public async Task DropAsync()
    {
        await _db.DisposeAsync();
        await (await TestServers.GetAsync()).Postgres.DropDatabaseAsync(_name);
    }

    [Test]
    public async Task Should_record_each_change_with_its_event()
    {
        var id = await InsertAsync("OrderSubmitted");
        await UpdateAsync(id, "resend_time = resend_time + interval '1 second', last_event = 'AnswerOverdue'");
        await UpdateAsync(id, "resend_time = resend_time + interval '1 second', last_event = 'AnswerOverdue'");
        await UpdateAsync(id, "current_state = 'Cancelling', reason = 'TimedOut', last_event = 'ReservationTimedOut'");
        await UpdateAsync(id, "current_state = 'Cancelled', resend_time = null, last_event = 'FundsReleased'");
        Assert.That(await TransitionsAsync(id), Is.EqualTo(new[]
        {
            "OrderSubmitted:  -> Reserving ", "AnswerOverdue: Reserving -> Reserving ",
            "AnswerOverdue: Reserving -> Reserving ", "ReservationTimedOut: Reserving -> Cancelling TimedOut",
            "FundsReleased: Cancelling -> Cancelled TimedOut",
        }));
    }

    [Test]
    public async Task Should_not_record_what_is_no_transition()
    {
        var id = await InsertAsync("OrderSubmitted");
        await UpdateAsync(id, "timeout_token = gen_random_uuid(), last_event = 'FundsReserved'");
        Assert.That(await TransitionsAsync(id), Has.Length.EqualTo(1));
    }

    [Test]
    public async Task Should_leave_the_event_open_that_a_build_without_history_does_not_tell()
    {
        var id = await InsertAsync(null);
        await UpdateAsync(id, "current_state = 'Confirmed'");
        await UpdateAsync(id, "resend_time = null, last_event = 'FundsCaptured'");
        var begun = await InsertAsync("OrderSubmitted");
        await UpdateAsync(begun, "current_state = 'Confirmed'"); // the event of the other build is still there
        Assert.That(await TransitionsAsync(id), Is.EqualTo(new[]
        {
            ":  -> Reserving ", ": Reserving -> Confirmed ", "FundsCaptured: Confirmed -> Confirmed ",
        }));
        Assert.That((await TransitionsAsync(begun))[^1], Is.EqualTo(": Reserving -> Confirmed "));
        var asked = await InsertAsync("OrderSubmitted");
        await UpdateAsync(asked, "resend_time = resend_time + interval '1 second', last_event = 'AnswerOverdue'");
        await UpdateAsync(asked, "current_state = 'Confirmed'"); // and the event of the command that was sent again
        Assert.That((await TransitionsAsync(asked))[^1], Is.EqualTo(": Reserving -> Confirmed "));
    }

    [Test]
    public async Task Should_record_the_changes_of_many_orders_in_one_statement()
    {
        await _db.Database.ExecuteSqlRawAsync("""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
                resend_time, last_event)
            select gen_random_uuid(), 'Reserving', gen_random_uuid(), '[]', 1, 'NOK', now(), now(), now(),
                'OrderSubmitted'
            from generate_series(1, 20000)
            """);
        // The plan is made for the first, small statement. A nested loop would compare each order with each other.
        await _db.Database.ExecuteSqlRawAsync("""
            set enable_hashjoin = off;
            set enable_mergejoin = off;
            set statement_timeout = '15s';
            update orders set resend_time = now(), last_event = 'AnswerOverdue'
            where order_id = (select order_id from orders where currency = 'NOK' limit 1);
            update orders set current_state = 'Confirmed', last_event = 'FundsReserved' where currency = 'NOK'
            """);
        var transitions = await _db.OrderTransitions.CountAsync(x => x.Event == "FundsReserved"
            && x.FromState == "Reserving" && _db.Orders.Any(o => o.CorrelationId == x.OrderId && o.Currency == "NOK"));
        Assert.That(transitions, Is.EqualTo(20000));
    }

    [Test]
    public async Task Should_be_audited()
    {
        await InsertAsync("OrderSubmitted"); // orders from before the first transition may lack some
        var id = await InsertAsync("OrderSubmitted");
        Assert.That(await AuditAsync(), Is.Empty);

        await _db.Database.ExecuteSqlRawAsync("alter table orders disable trigger orders_updated");
        await UpdateAsync(id, "current_state = 'Confirmed'");
        await _db.Database.ExecuteSqlRawAsync("alter table orders enable trigger orders_updated");
        Assert.That(await AuditAsync(), Is.EqualTo(new[]
        {
            $"I5: order {id} is Confirmed, its history ends in Reserving",
        }));
        await UpdateAsync(id, "resend_time = null");
        Assert.That(await AuditAsync(), Is.EqualTo(new[]
        {
            $"I5: the history of order {id} has a gap: a transition from Confirmed follows one to Reserving",
        }));
        await _db.Database.ExecuteSqlAsync($"delete from orders where order_id = {id}");

        await _db.Database.ExecuteSqlRawAsync("alter table orders disable trigger orders_inserted");
        id = await InsertAsync("OrderSubmitted");
        await _db.Database.ExecuteSqlRawAsync("alter table orders enable trigger orders_inserted");
        Assert.That(await AuditAsync(), Is.EqualTo(new[]
        {
            $"I5: order {id} is Reserving, its history ends in nothing",
        }));
        await _db.Database.ExecuteSqlAsync($"delete from orders where order_id = {id}");
    }

    /// <summary>Deleted rows stay in an index while a snapshot is open: a scan of it gets slower and slower.</summary>
    [Test]
    public async Task Should_find_captured_orders_without_reading_all_that_wait()
    {
        await _db.Database.ExecuteSqlRawAsync("""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
                resend_time)
            select gen_random_uuid(), 'Confirmed', gen_random_uuid(), '[]', 1, 'SEK', now(), now(), null
            from generate_series(1, 20000);
            analyze orders
            """);
        await using var orders = NpgsqlDataSource.Create((await TestServers.GetAsync()).Postgres.Admin(_name));
        await using var connection = await orders.OpenConnectionAsync();
        var sql = SessionSettings.ToSql(null, connection.PostgreSqlVersion);
        await using (var settings = new NpgsqlCommand(sql, connection))
            await settings.ExecuteNonQueryAsync();
        await using var explain = new NpgsqlCommand($"explain {OrdersCapturedConsumer.Record}", connection);
        explain.Parameters.Add(new() { Value = Enumerable.Range(0, 10).Select(_ => Guid.NewGuid()).ToArray() });
        await using var rows = await explain.ExecuteReaderAsync();
        var plan = new List<string>();
        while (await rows.ReadAsync())
            plan.Add(rows.GetString(0));
        Assert.That(plan, Has.Some.Contains("pk_orders").And.None.Contains("ix_orders_resend"),
            string.Join('\n', plan));
    }

    [TestCase("update order_transitions set event = null")]
    [TestCase("delete from order_transitions")]
    [TestCase("truncate order_transitions")]
    public async Task Should_reject_every_change_of_the_history(string sql)
    {
        await InsertAsync("OrderSubmitted");
        Assert.That(() => _db.Database.ExecuteSqlRawAsync(sql),
            Throws.TypeOf<PostgresException>().With.Message.Contains("never changed"));
    }

    async Task<IEnumerable<string>> AuditAsync()
    {
        await using var orders = NpgsqlDataSource.Create((await TestServers.GetAsync()).Postgres.Admin(_name));
        var findings = new AuditFindings();
        await new HistoryChecks(orders, findings).RunAsync(default);
        return findings.Violations;
    }

    async Task<Guid> InsertAsync(string? lastEvent)
    {
        var id = Guid.CreateVersion7();
        await _db.Database.ExecuteSqlAsync($"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
                resend_time, last_event)
            values ({id}, 'Reserving', {id}, '[]', 1, 'EUR', now(), now(), now(), {lastEvent})
            """);
        return id;
    }

    Task UpdateAsync(Guid id, string change)
    {
        var sql = $"update orders set {change} where order_id = '{id}'";
        return _db.Database.ExecuteSqlRawAsync(sql);
    }

    async Task<string[]> TransitionsAsync(Guid id) =>
        [.. (await _db.OrderTransitions.AsNoTracking().Where(x => x.OrderId == id).OrderBy(x => x.Sequence)
            .ToListAsync()).Select(x => $"{x.Event}: {x.FromState} -> {x.ToState} {x.Reason}")];
}
