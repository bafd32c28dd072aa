using Npgsql;
using Saga.Servers;

namespace Saga.Load;

/// <summary>The times of PostgreSQL's statements, in milliseconds, as it measures them itself.</summary>
/// <param name="Claim">The mean time of a search for due messages.</param>
/// <param name="Purge">The mean time of a purge of the inbox.</param>
/// <param name="All">The sum over all statements.</param>
sealed record StatementTimes(double Claim, double Purge, double All)
{
    /// <summary>Lets the server measure its statements, for which it restarts.</summary>
    /// <exception cref="InvalidOperationException">The server was not started here.</exception>
    public static async Task EnableAsync(PostgresServer server, CancellationToken cancellationToken)
    {
        if (server is not IStoppable stoppable)
            throw new InvalidOperationException(
                "the server was not started here, so it cannot be restarted: unset ORDERSAGA_POSTGRES");
        await using var source = NpgsqlDataSource.Create($"{server.Admin()};Pooling=false");
        await using var load = source.CreateCommand(
            "alter system set shared_preload_libraries = 'pg_stat_statements'");
        await load.ExecuteNonQueryAsync(cancellationToken);
        await stoppable.StopAsync(Signal.Int);
        await stoppable.StartAsync(cancellationToken);
        await using var create = source.CreateCommand("create extension pg_stat_statements");
        await create.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Reads the times since the last call.</summary>
    /// <param name="database">A connection string to any database of the server.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public static async Task<StatementTimes> TakeAsync(string database, CancellationToken cancellationToken)
    {
        var server = new NpgsqlConnectionStringBuilder(database) { Database = "postgres", Pooling = false };
        await using var source = NpgsqlDataSource.Create(server.ConnectionString);
        await using var command = source.CreateCommand("""
            with times as (
                select calls, total_exec_time as time, case
                    when query like '%update outbox_message%order by%skip locked%' then 'claim'
                    when query like 'delete from inbox_state where ctid%' then 'purge' end as kind
                from pg_stat_statements)
            select coalesce(sum(time) filter (where kind = 'claim') / sum(calls) filter (where kind = 'claim'), 0),
                coalesce(sum(time) filter (where kind = 'purge') / sum(calls) filter (where kind = 'purge'), 0),
                sum(time)
            from times;
            select pg_stat_statements_reset()
            """);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return new StatementTimes(row.GetDouble(0), row.GetDouble(1), row.GetDouble(2));
    }
}
