namespace Saga.Servers;

/// <summary>Private servers, run from the programs installed on this machine.</summary>
public sealed class LocalServers : IServers
{
    LocalServers(InstanceFolder folder, LocalPostgres postgres, LocalRabbit rabbit, Task brokerStarted) =>
        (Folder, Postgres, Rabbit, BrokerStarted) = (folder, postgres, rabbit, brokerStarted);

    /// <inheritdoc />
    public string Description => "PostgreSQL and RabbitMQ installed on this machine, private instances";

    /// <inheritdoc cref="IServers.Postgres" />
    public LocalPostgres Postgres { get; }

    /// <inheritdoc cref="IServers.Rabbit" />
    public LocalRabbit Rabbit { get; }

    /// <inheritdoc />
    public InstanceFolder Folder { get; }

    PostgresServer IServers.Postgres => Postgres;
    RabbitServer IServers.Rabbit => Rabbit;

    /// <summary>The programs that are not installed, with the command that installs them; null if all are.</summary>
    public static string? Missing() => (LocalPostgres.FindPrograms(), LocalRabbit.FindProgram()) switch
    {
        (null, null) => "PostgreSQL and RabbitMQ are not installed: apt-get install postgresql rabbitmq-server",
        (null, _) => "PostgreSQL is not installed: apt-get install postgresql",
        (_, null) => "RabbitMQ is not installed: apt-get install rabbitmq-server",
        _ => null,
    };

    /// <inheritdoc />
    public Task BrokerStarted { get; }

    /// <summary>Starts both servers concurrently.</summary>
    /// <param name="wellKnownPorts">Whether to prefer the default ports; otherwise any free ports are used.</param>
    /// <param name="waitForBroker">Whether to wait for the broker too; otherwise only for the database server.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    /// <exception cref="InvalidOperationException">A server is not installed.</exception>
    public static async Task<LocalServers> StartAsync(bool wellKnownPorts, bool waitForBroker,
        CancellationToken cancellationToken)
    {
        if (Missing() is { } missing)
            throw new InvalidOperationException(missing);
        var folder = InstanceFolder.Create();
        var rabbit = new LocalRabbit(folder, LocalRabbit.FindProgram()!, Ports.Pick(wellKnownPorts ? 5672 : 0),
            Ports.Pick(wellKnownPorts ? 15672 : 0), LocalTls.Instance);
        var brokerStarted = rabbit.StartAsync(cancellationToken);
        var postgres = LocalPostgres.StartAsync(folder, LocalPostgres.FindPrograms()!,
            Ports.Pick(wellKnownPorts ? 5432 : 0), cancellationToken);
        try
        {
            await Task.WhenAll(postgres, waitForBroker ? brokerStarted : Task.CompletedTask);
            return new LocalServers(folder, await postgres, rabbit, brokerStarted);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(Postgres.DisposeAsync().AsTask(), Rabbit.DisposeAsync().AsTask());
        Folder.Dispose();
    }
}
