namespace Saga.Servers;

/// <summary>A PostgreSQL server and a RabbitMQ broker, wherever they come from.</summary>
public interface IServers : IAsyncDisposable
{
    /// <summary>Where they come from, in words.</summary>
    string Description { get; }

    /// <summary>PostgreSQL, as a superuser.</summary>
    PostgresServer Postgres { get; }

    /// <summary>RabbitMQ, as an administrator.</summary>
    RabbitServer Rabbit { get; }

    /// <summary>Completes when the broker accepts connections; fails if it cannot be started.</summary>
    Task BrokerStarted => Task.CompletedTask;

    /// <summary>The folder of logs and data.</summary>
    InstanceFolder Folder { get; }
}
