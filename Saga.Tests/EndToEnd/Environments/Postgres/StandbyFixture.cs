using Npgsql;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>The databases of both services are on a server with a hot standby, which is promoted by hand.</summary>
public abstract class StandbyFixture : EnvironmentFixture
{
    protected LocalPostgres Primary { get; private set; } = null!;

    protected LocalPostgres Standby { get; private set; } = null!;

    protected override OrderSystemOptions Options => base.Options with
    {
        OrderReplicas = 2,
        RunAsOwner = true, // it migrates the database on the other server
    };

    protected override string ChangeDatabase(string connectionString)
    {
        var own = new NpgsqlConnectionStringBuilder(connectionString);
        if (Primary == null!)
            StartServersAsync().Wait();
        Primary!.CreateDatabaseAsync(own.Database!).Wait();
        own.Host = $"{Primary.Address},{Standby.Address}";
        return own.ConnectionString;
    }

    protected virtual async Task StartServersAsync()
    {
        if (LocalPostgres.FindPrograms() is not { } programs)
            throw new IgnoreException("the test needs an installed PostgreSQL");
        var folder = (await TestServers.GetAsync()).Folder;
        Primary = await LocalPostgres.StartAsync(folder, programs, Ports.Pick(), default);
        Standby = await Primary.StartStandbyAsync(programs, Ports.Pick());
    }

    [OneTimeTearDown]
    public async Task StopServersAsync()
    {
        await Primary.DisposeAsync();
        await Standby.DisposeAsync();
    }

    /// <summary>Waits until the standby has everything that was written so far.</summary>
    protected async Task WaitForStandbyAsync()
    {
        var written = await QueryAsync<string>(Primary, "select pg_current_wal_lsn()::text");
        await Wait.UntilAsync(() => QueryAsync<bool>(Standby, $"select pg_last_wal_replay_lsn() >= '{written}'"),
            MaxWait, () => "the standby to have everything");
    }

    /// <summary>Has the standby receive nothing any more.</summary>
    protected async Task CutStandbyOffAsync()
    {
        await ExecuteAsync(Standby, "alter system set primary_conninfo = ''");
        await ExecuteAsync(Standby, "select pg_reload_conf()");
        await Wait.UntilAsync(() => QueryAsync<bool>(Standby, "select not exists (select from pg_stat_wal_receiver)"),
            MaxWait, () => "the standby to receive nothing");
    }

    /// <summary>Kills the primary, and promotes the standby.</summary>
    protected async Task FailOverAsync()
    {
        await Primary.StopAsync(Signal.Kill);
        await ExecuteAsync(Standby, "select pg_promote()");
    }

    protected static async Task ExecuteAsync(LocalPostgres server, string sql, string database = "postgres") =>
        await QueryAsync<object>(server, sql, database);

    protected static async Task<T> QueryAsync<T>(LocalPostgres server, string sql, string database = "postgres")
    {
        await using var source = NpgsqlDataSource.Create($"{server.Admin(database)};Pooling=false");
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }
}
