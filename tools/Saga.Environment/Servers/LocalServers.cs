namespace Saga.Servers;

/// <summary>Servers from the programs that are installed on this machine, in a folder of their own.</summary>
public sealed class LocalServers : IServers
{
    LocalServers(InstanceFolder folder, LocalPostgres postgres, LocalRabbit rabbit, Task brokerStarted) =>
        (Folder, Postgres, Rabbit, BrokerStarted) = (folder, postgres, rabbit, brokerStarted);

    /// <inheritdoc />
    public string Description => "PostgreSQL and RabbitMQ installed on this machine, private instances";

    /// <summary>The database server.</summary>
    public LocalPostgres Postgres { get; }

    /// <summary>The broker.</summary>
    public LocalRabbit Rabbit { get; }

    /// <inheritdoc />
    public InstanceFolder Folder { get; }

    PostgresServer IServers.Postgres => Postgres;
    RabbitServer IServers.Rabbit => Rabbit;

    /// <summary>What is missing on this machine, or null.</summary>
    public static string? Missing() => (LocalPostgres.FindPrograms(), LocalRabbit.FindProgram()) switch
    {
        (null, null) => "PostgreSQL and RabbitMQ are not installed: apt-get install postgresql rabbitmq-server",
        (null, _) => "PostgreSQL is not installed: apt-get install postgresql",
        (_, null) => "RabbitMQ is not installed: apt-get install rabbitmq-server",
        _ => null,
    };

    /// <inheritdoc />
    public Task BrokerStarted { get; }

    /// <summary>Starts both at the same time.</summary>
    /// <param name="wellKnownPorts">Prefers the default ports; otherwise takes any free ones.</param>
    /// <param name="waitForBroker">Whether to wait for the broker too; else only for the database server.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<LocalServers> StartAsync(bool wellKnownPorts, bool waitForBroker, CancellationToken cancellationToken)
    {
        if (Missing() is { } missing)
            throw new InvalidOperationException(missing);
        var folder = InstanceFolder.Create();
        var rabbit = new LocalRabbit(folder, LocalRabbit.FindProgram()!, Ports.Pick(wellKnownPorts ? 5672 : 0),
            Ports.Pick(wellKnownPorts ? 15672 : 0));
        var brokerStarted = rabbit.StartAsync(cancellationToken);
        var postgres = LocalPostgres.StartAsync(folder, LocalPostgres.FindPrograms()!, Ports.Pick(wellKnownPorts ? 5432 : 0),
            cancellationToken);
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
