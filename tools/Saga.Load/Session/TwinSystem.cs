using Saga.Servers;
using Saga.Services;

namespace Saga.Load;

/// <summary>
/// Saga.Twin in place of both services: two processes, each with its own database, on one virtual host.
/// </summary>
sealed class TwinSystem : IAsyncDisposable
{
    static readonly string Name = $"ordersaga_twin{Environment.ProcessId}";

    readonly IServers _servers;

    TwinSystem(IServers servers, string orders, string accounts)
    {
        _servers = servers;
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

    // This program is in artifacts/bin/PROGRAM/CONFIGURATION, and so is the twin.
    static string Program => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", "Saga.Twin",
        ServicePrograms.Configuration, "Saga.Twin.dll"));

    /// <summary>
    /// Creates the databases and the virtual host, starts the processes, and waits until they are ready.
    /// </summary>
    /// <exception cref="InvalidOperationException">The twin has not been built.</exception>
    public static async Task<TwinSystem> StartAsync(IServers servers, CancellationToken cancellationToken)
    {
        if (!File.Exists(Program))
            throw new InvalidOperationException($"{Program} does not exist: run ./build.sh --target=Build");
        var orders = await servers.Postgres.CreateDatabaseAsync(OrderDatabase, cancellationToken);
        var accounts = await servers.Postgres.CreateDatabaseAsync(AccountDatabase, cancellationToken);
        await servers.BrokerStarted;
        await servers.Rabbit.CreateVirtualHostAsync(Name, cancellationToken);
        var twin = new TwinSystem(servers, orders, accounts);
        try
        {
            twin.Account.Start();
            twin.Order.Start();
            await twin.Account.WaitUntilReadyAsync(cancellationToken);
            await twin.Order.WaitUntilReadyAsync(cancellationToken);
            return twin;
        }
        catch
        {
            await twin.DisposeAsync();
            throw;
        }
    }

    ServiceReplica Replica(string role, string database) =>
        new(_servers.Folder, Program, $"twin-{role}", Ports.Pick(0), Ports.Pick(0), new Dictionary<string, string>
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
