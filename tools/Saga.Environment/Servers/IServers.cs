namespace Saga.Servers;

/// <summary>
/// A PostgreSQL server and a RabbitMQ broker, in containers, installed on this machine or run elsewhere.
/// </summary>
public interface IServers : IAsyncDisposable
{
    /// <summary>The kind of the servers, for messages.</summary>
    string Description { get; }

    /// <summary>The database server, with a superuser's login.</summary>
    PostgresServer Postgres { get; }

    /// <summary>The database server of Account; that of all services if they share one.</summary>
    PostgresServer AccountPostgres => Postgres;

    /// <summary>The broker, with an administrator's login.</summary>
    RabbitServer Rabbit { get; }

    /// <summary>Completes when the broker accepts connections; fails if it cannot be started.</summary>
    Task BrokerStarted => Task.CompletedTask;

    /// <summary>The folder of logs and data.</summary>
    InstanceFolder Folder { get; }
}
