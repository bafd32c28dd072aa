using Saga.Servers;
using Saga.Services;

namespace Saga.Load;

/// <summary>
/// A peer in place of both services: two processes, each with its own database, on one virtual host.
/// </summary>
sealed class PeerSystem : IAsyncDisposable
{
    static readonly string Name = $"ordersaga_peer{Environment.ProcessId}";

    readonly IServers _servers;
    readonly string _program;

    PeerSystem(IServers servers, string program, string orders, string accounts)
    {
        (_servers, _program) = (servers, program);
        Order = Replica("order", orders);
        Account = Replica("account", accounts);
    }

    /// <summary>The process of the role <c>order</c>.</summary>
    public ServiceReplica Order { get; }

    /// <summary>The process of the role <c>account</c>.</summary>
    public ServiceReplica Account { get; }

    /// <summary>The database of the role <c>order</c>.</summary>
    public static string OrderDatabase => $"{Name}_orders";

    /// <summary>The database of the role <c>account</c>.</summary>
    public static string AccountDatabase => $"{Name}_accounts";

    /// <summary>
    /// Creates the databases and the virtual host, starts the processes, and waits until they are ready.
    /// </summary>
    /// <exception cref="InvalidOperationException">The peer has not been built.</exception>
    public static async Task<PeerSystem> StartAsync(Peer peer, IServers servers, CancellationToken cancellationToken)
    {
        var program = peer.Program;
        var orders = await servers.Postgres.CreateDatabaseAsync(OrderDatabase, cancellationToken);
        var accounts = await servers.Postgres.CreateDatabaseAsync(AccountDatabase, cancellationToken);
        await servers.BrokerStarted;
        await servers.Rabbit.CreateVirtualHostAsync(Name, cancellationToken);
        var system = new PeerSystem(servers, program, orders, accounts);
        try
        {
            system.Account.Start();
            system.Order.Start();
            await system.Account.WaitUntilReadyAsync(cancellationToken);
            await system.Order.WaitUntilReadyAsync(cancellationToken);
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    ServiceReplica Replica(string role, string database) =>
        new(_servers.Folder, _program, $"peer-{role}", ReplicaPorts.Pick(),
            new Dictionary<string, string>
            {
                ["Role"] = role,
                ["ConnectionStrings__Database"] = database,
                ["ConnectionStrings__RabbitMq"] = _servers.Rabbit.Amqp(Name),
            });

    /// <summary>Stops the processes, and drops the databases and the virtual host.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(Order.DisposeAsync().AsTask(), Account.DisposeAsync().AsTask());
        await _servers.Postgres.DropDatabaseAsync(OrderDatabase);
        await _servers.Postgres.DropDatabaseAsync(AccountDatabase);
        await _servers.Rabbit.DeleteVirtualHostAsync(Name);
    }
}
