namespace Saga.Servers;

/// <summary>Servers that run already and are given by environment variables; never started or stopped here.</summary>
public sealed class GivenServers : IServers
{
    GivenServers(PostgresServer postgres, RabbitServer rabbit) => (Postgres, Rabbit) = (postgres, rabbit);

    /// <inheritdoc />
    public string Description => $"given: PostgreSQL at {Postgres.Address}, RabbitMQ at {Rabbit.Host}:{Rabbit.Port}";

    /// <inheritdoc />
    public PostgresServer Postgres { get; }

    /// <inheritdoc />
    public RabbitServer Rabbit { get; }

    /// <inheritdoc />
    public InstanceFolder Folder { get; } = InstanceFolder.Create();

    /// <summary>
    /// Reads <c>ORDERSAGA_POSTGRES</c> (a superuser's connection string), <c>ORDERSAGA_RABBITMQ</c> (an administrator's
    /// amqp address) and <c>ORDERSAGA_RABBITMQ_MANAGEMENT</c> (an http address). Null unless the first two are set.
    /// </summary>
    public static GivenServers? FromEnvironment()
    {
        var postgres = Environment.GetEnvironmentVariable("ORDERSAGA_POSTGRES");
        var rabbit = Environment.GetEnvironmentVariable("ORDERSAGA_RABBITMQ");
        if (string.IsNullOrEmpty(postgres) || string.IsNullOrEmpty(rabbit))
            return null;
        var amqp = new Uri(rabbit);
        var management = Environment.GetEnvironmentVariable("ORDERSAGA_RABBITMQ_MANAGEMENT")
            ?? $"http://{amqp.Host}:15672/";
        return new GivenServers(PostgresServer.From(postgres), new RabbitServer(amqp, new Uri(management)));
    }

    /// <inheritdoc />
    public ValueTask DisposeAsync()
    {
        Rabbit.Dispose();
        Folder.Dispose();
        return ValueTask.CompletedTask;
    }
}
