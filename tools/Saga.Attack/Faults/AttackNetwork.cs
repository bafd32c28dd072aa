using Npgsql;
using Saga.Servers;

namespace Saga.Attack;

/// <summary>The networks of all replicas; each replica has its own to each server.</summary>
sealed class AttackNetwork : IAsyncDisposable
{
    readonly List<ReplicaNetwork> _replicas = [];

    public IReadOnlyList<ReplicaNetwork> Replicas => _replicas;

    /// <summary>Adds a replica's network.</summary>
    /// <param name="servers">The servers.</param>
    /// <param name="settings">The replica's configuration.</param>
    /// <returns>The configuration by which the replica connects through the network.</returns>
    public IReadOnlyDictionary<string, string> Connect(IServers servers, IReadOnlyDictionary<string, string> settings)
    {
        var database = new NpgsqlConnectionStringBuilder(settings["ConnectionStrings__Database"]);
        var network = new ReplicaNetwork(new TcpProxy(database.Host!, database.Port),
            new TcpProxy(servers.Rabbit.Host, servers.Rabbit.Port));
        _replicas.Add(network);
        (database.Host, database.Port) = ("127.0.0.1", network.Database.Port);
        var broker = new UriBuilder(settings["ConnectionStrings__RabbitMq"])
        {
            Host = "127.0.0.1",
            Port = network.Broker.Port,
        };
        return new Dictionary<string, string>(settings)
        {
            ["ConnectionStrings__Database"] = database.ConnectionString,
            ["ConnectionStrings__RabbitMq"] = broker.Uri.ToString(),
        };
    }

    /// <summary>Sets all networks to normal.</summary>
    public void Heal()
    {
        foreach (var (database, broker) in _replicas)
            (database.Condition, broker.Condition) = (NetworkCondition.Normal, NetworkCondition.Normal);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (database, broker) in _replicas)
        {
            await database.DisposeAsync();
            await broker.DisposeAsync();
        }
    }
}
