using System.Diagnostics;
using Npgsql;
using Saga.Servers;
using Saga.Services;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>The databases of both services are on a server with a hot standby.</summary>
/// <param name="isKilled">
/// Whether the first server is killed. Otherwise it is demoted without a restart, as some managed services do: it
/// refuses writes.
/// </param>
[TestFixture(true, Category = "E2E"), TestFixture(false, Category = "Long")]
public sealed class When_a_standby_is_promoted(bool isKilled) : EnvironmentFixture
{
    static readonly TimeSpan MaxFailoverTime = TimeSpan.FromSeconds(5);

    LocalPostgres _primary = null!;
    LocalPostgres _standby = null!;

    protected override OrderSystemOptions Options => base.Options with
    {
        OrderReplicas = 2,
        RunAsOwner = true, // it migrates the database on the other server
    };

    protected override string ChangeDatabase(string connectionString)
    {
        var own = new NpgsqlConnectionStringBuilder(connectionString);
        if (_primary == null)
            StartServersAsync().Wait();
        _primary!.CreateDatabaseAsync(own.Database!).Wait();
        own.Host = $"{_primary.Address},{_standby.Address}";
        return own.ConnectionString;
    }

    async Task StartServersAsync()
    {
        if (LocalPostgres.FindPrograms() is not { } programs)
            throw new IgnoreException("the test needs an installed PostgreSQL");
        var folder = (await TestServers.GetAsync()).Folder;
        _primary = await LocalPostgres.StartAsync(folder, programs, Ports.Pick(), default);
        _standby = await _primary.StartStandbyAsync(programs, Ports.Pick());
    }

    [OneTimeTearDown]
    public async Task StopServersAsync()
    {
        await _primary.DisposeAsync();
        await _standby.DisposeAsync();
    }

    [Test]
    public async Task Should_place_the_first_order_within_seconds_and_leave_the_first_server()
    {
        var account = await OpenAccountAsync(100);
        var orders = await PlaceOrdersAsync(20, account);
        await AssertConfirmedAsync(orders);
        await WaitForBalancesAsync(account, available: 80, held: 0, captured: 20);

        if (!isKilled)
        {
            await ExecuteAsync(_primary, "alter system set default_transaction_read_only = on");
            await ExecuteAsync(_primary, "select pg_reload_conf()");
        }

        var written = await QueryAsync<string>(_primary, "select pg_current_wal_lsn()::text");
        await Wait.UntilAsync(() => QueryAsync<bool>(_standby, $"select pg_last_wal_replay_lsn() >= '{written}'"),
            MaxWait, () => "the standby to have everything");
        if (isKilled)
            await _primary.StopAsync(Signal.Kill);
        await ExecuteAsync(_standby, "select pg_promote()");

        var promoted = Stopwatch.StartNew();
        var first = await RetryAsync(() => PlaceOrderAsync(account, 1));
        Assert.That(promoted.Elapsed, Is.LessThan(MaxFailoverTime));
        await AssertConfirmedAsync([first, .. await PlaceOrdersAsync(20, account)]);
        await WaitForBalancesAsync(account, available: 59, held: 0, captured: 41);
        if (isKilled)
            return;
        // Npgsql keeps asking every host for its state.
        await Wait.UntilAsync(() => QueryAsync<bool>(_primary, $"""
            select not exists (select from pg_stat_activity
                where usename in ('{System.OrderDatabase}', '{System.AccountDatabase}')
                    and query not ilike '%default_transaction_read_only%')
            """), MaxWait, () => "no connection to the demoted server that is used otherwise");
    }

    static async Task ExecuteAsync(LocalPostgres server, string sql) => await QueryAsync<object>(server, sql);

    static async Task<T> QueryAsync<T>(LocalPostgres server, string sql)
    {
        await using var source = NpgsqlDataSource.Create($"{server.Admin()};Pooling=false");
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }
}
