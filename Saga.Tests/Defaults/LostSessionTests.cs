using System.Data;
using Messaging.Postgres.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Orders;
using Saga.Attack;
using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Integration")]
public sealed class When_sessions_have_ended_before_a_query
{
    readonly string _name = TestServers.NewName("sessions");
    string _database = "";
    WebApplication _app = null!;

    PrimaryDatabase Database => _app.Services.GetRequiredService<PrimaryDatabase>();

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        _database = await (await TestServers.GetAsync()).Postgres.CreateDatabaseAsync(_name);
        builder.Configuration["ConnectionStrings:Database"] = _database;
        builder.AddDatabase<OrderDbContext>();
        _app = builder.Build();
        await using var scope = _app.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<OrderDbContext>().Database.MigrateAsync();
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await _app.DisposeAsync();
        await (await TestServers.GetAsync()).Postgres.DropDatabaseAsync(_name);
    }

    [Test]
    public async Task Should_find_the_orders_of_known_requests()
    {
        var (order, request) = (Guid.CreateVersion7(), Guid.NewGuid());
        await using (var insert = Database.Pool.CreateCommand($"""
            insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
                request_id)
            values ('{order}', 'Reserving', '{order}', '[]', 1, 'EUR', now(), now(), '{request}')
            """))
            await insert.ExecuteNonQueryAsync();
        var known = new KnownRequests(Database);
        await EndSessionsAsync();
        Assert.That(await known.FindOrderAsync(request, default), Is.EqualTo(order));
        Assert.That(await known.FindOrderAsync(Guid.NewGuid(), default), Is.Null);
    }

    [Test]
    public async Task Should_read_what_operators_ask_for()
    {
        await (await Database.OpenAsync(default)).DisposeAsync();
        await EndSessionsAsync();
        await using var connection = await Database.OpenAsync(default);
        await using var command = new NpgsqlCommand("select 1", connection);
        Assert.That(await command.ExecuteScalarAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task Should_read_after_a_firewall_has_forgotten_the_connection()
    {
        var settings = new NpgsqlConnectionStringBuilder(Database.Pool.ConnectionString);
        await using var proxy = new TcpProxy(settings.Host!, settings.Port);
        (settings.Host, settings.Port) = ("127.0.0.1", proxy.Port);
        (settings.Password, settings.CancellationTimeout) = (new NpgsqlConnectionStringBuilder(_database).Password, -1);
        settings.Timeout = 2;
        await using var pool = NpgsqlDataSource.Create(settings);
        await using (await pool.OpenConnectionAsync())
            await (await pool.OpenConnectionAsync()).DisposeAsync();
        proxy.Forget();

        await using (var connection = await pool.OpenConnectionAsync())
        {
            Assert.That(await IdleConnections.ReplaceLostAsync(connection, pool.Clear, default),
                Is.EqualTo(ServerState.Writable));
            Assert.That(connection.State, Is.EqualTo(ConnectionState.Open));
        }

        proxy.Condition = NetworkCondition.ResponsesHeld;
        await using var last = await pool.OpenConnectionAsync();
        await Assert.ThatAsync(() => IdleConnections.ReplaceLostAsync(last, pool.Clear, default),
            Throws.InstanceOf<NpgsqlException>(), "the server hangs");
        Assert.That(last.State, Is.EqualTo(ConnectionState.Closed));
    }

    [Test]
    public async Task Should_read_in_a_service_without_an_outbox()
    {
        await using var scope = _app.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<OrderDbContext>();
        await using (var other = _app.Services.CreateAsyncScope())
        {
            await other.ServiceProvider.GetRequiredService<OrderDbContext>().Database.OpenConnectionAsync();
            await db.Orders.CountAsync(); // on a second connection
        }

        await Task.Delay(300); // a connection that was used a moment ago is not checked
        await EndSessionsAsync();
        Assert.That(() => db.Orders.CountAsync(), Throws.Nothing);
    }

    /// <summary>Ends all sessions of the pool.</summary>
    async Task EndSessionsAsync()
    {
        await using var admin = NpgsqlDataSource.Create((await TestServers.GetAsync()).Postgres.Admin("postgres"));
        await using var end = admin.CreateCommand(
            $"select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where datname = '{_name}'");
        Assert.That(await end.ExecuteScalarAsync(), Is.Positive);
    }
}
