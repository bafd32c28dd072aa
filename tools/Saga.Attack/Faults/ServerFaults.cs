using Npgsql;
using Saga.Servers;
using Saga.Services;

namespace Saga.Attack;

/// <summary>Faults of the database server and the broker. Each injects a fault and repairs it.</summary>
sealed class ServerFaults(OrderSystem system, Random random)
{
    const int MaxConnections = 1000;

    public async Task RestartAsync(IStoppable server, Signal signal)
    {
        await server.StopAsync(signal);
        await Task.Delay(random.Next(500, 3000));
        await server.StartAsync();
    }

    public async Task PauseAsync(IStoppable server)
    {
        await server.PauseAsync();
        await Task.Delay(random.Next(1500, 4000));
        await server.ResumeAsync();
    }

    /// <summary>Raises the broker's memory alarm, sometimes for longer than the services' delivery timeout.</summary>
    public async Task RaiseMemoryAlarmAsync(IStoppableBroker broker)
    {
        try
        {
            await broker.SetMemoryAlarmAsync(true);
            await Task.Delay(random.Next(2000, 14_000));
        }
        finally
        {
            await broker.SetMemoryAlarmAsync(false);
        }
    }

    /// <summary>Terminates all connections to both databases.</summary>
    public async Task TerminateBackendsAsync()
    {
        await using var admin = new NpgsqlConnection(system.Servers.Postgres.Admin() + ";Pooling=false");
        await admin.OpenAsync();
        const string Sql = """
            select count(pg_terminate_backend(pid)) from pg_stat_activity
            where datname = any($1) and pid <> pg_backend_pid()
            """;
        await using var terminate = new NpgsqlCommand(Sql, admin)
        {
            Parameters = { new() { Value = new[] { system.OrderDatabase, system.AccountDatabase } } },
        };
        await terminate.ExecuteScalarAsync();
    }

    /// <summary>Terminates the services' connections and occupies all of the server's for two seconds.</summary>
    public async Task ExhaustConnectionsAsync()
    {
        var occupied = new List<NpgsqlConnection>();
        try
        {
            await TerminateBackendsAsync();
            while (occupied.Count < MaxConnections)
            {
                var connection = new NpgsqlConnection(system.Servers.Postgres.Admin() + ";Pooling=false;Timeout=3");
                occupied.Add(connection);
                await connection.OpenAsync();
            }
        }
        catch (NpgsqlException)
        {
            await Task.Delay(TimeSpan.FromSeconds(2)); // the server has no free connection
        }
        finally
        {
            foreach (var connection in occupied)
                await connection.DisposeAsync();
        }
    }
}
