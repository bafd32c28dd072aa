namespace Local.Host.Servers;

/// <summary>Servers from the programs that are installed on this machine, in a folder of their own.</summary>
public sealed class LocalServers : IServers
{
    LocalServers(InstanceFolder folder, LocalPostgres postgres, LocalRabbit rabbit) =>
        (Folder, Postgres, Rabbit) = (folder, postgres, rabbit);

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

    /// <summary>Starts both, side by side.</summary>
    /// <param name="wellKnownPorts">Prefers the ports that are expected of them; any free ones otherwise.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<LocalServers> StartAsync(bool wellKnownPorts, CancellationToken cancellationToken)
    {
        if (Missing() is { } missing)
            throw new InvalidOperationException(missing);
        var folder = InstanceFolder.Create();
        var postgres = LocalPostgres.StartAsync(folder, LocalPostgres.FindPrograms()!, Ports.Pick(wellKnownPorts ? 5432 : 0), cancellationToken);
        var rabbit = LocalRabbit.StartAsync(folder, LocalRabbit.FindProgram()!, Ports.Pick(wellKnownPorts ? 5672 : 0),
            Ports.Pick(wellKnownPorts ? 15672 : 0), cancellationToken);
        try
        {
            await Task.WhenAll(postgres, rabbit);
            return new LocalServers(folder, await postgres, await rabbit);
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
