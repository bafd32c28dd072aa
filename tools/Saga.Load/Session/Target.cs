using Grpc.Net.Client;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;

namespace Saga.Load;

/// <summary>The system under load: started here, or running elsewhere with fewer known addresses.</summary>
sealed class Target : IAsyncDisposable
{
    readonly List<IAsyncDisposable> _owned = [];

    public required Uri Order { get; init; }
    public required Uri Account { get; init; }
    public string? OrderDatabase { get; init; }
    public string? AccountDatabase { get; init; }
    public BrokerQueues? Broker { get; init; }

    /// <summary>The services' process ids, if they were started here.</summary>
    public IReadOnlyDictionary<string, int> Services { get; init; } = new Dictionary<string, int>();

    /// <summary>The service for operators, if it was started here.</summary>
    public ServiceReplica? Operations { get; init; }

    /// <summary>Starts a system, unless the options have the services' addresses.</summary>
    public static async Task<Target> StartAsync(LoadOptions options, CancellationToken cancellationToken)
    {
        if (options is { Order: { } order, Account: { } account })
            return new Target
            {
                Order = order,
                Account = account,
                OrderDatabase = options.OrderDatabase,
                AccountDatabase = options.AccountDatabase,
                Broker = options.RabbitMq == null ? null : new BrokerQueues(options.RabbitMq, options.Management),
            };

        var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
        Console.WriteLine($"servers: {servers.Description}");
        try
        {
            if (options.MeasureStatements)
                await StatementTimes.EnableAsync(servers.Postgres, cancellationToken);
            if (options.Peer is { } peer)
            {
                var started = await PeerSystem.StartAsync(peer, servers, cancellationToken);
                return Of(servers, started, (started.Order, PeerSystem.OrderDatabase),
                    (started.Account, PeerSystem.AccountDatabase), broker: null);
            }

            var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions
            {
                Suffix = $"_load{Environment.ProcessId}",
                WithOperations = options.WithOperations,
                Settings = Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
                    .Where(x => ((string)x.Key).StartsWith("Messaging__", StringComparison.Ordinal))
                    .ToDictionary(x => (string)x.Key, x => (string)x.Value!),
            }, cancellationToken);
            return Of(servers, system, (system.Orders[0], system.OrderDatabase),
                (system.Accounts[0], system.AccountDatabase), BrokerQueues.Of(system), system.Operations);
        }
        catch
        {
            await servers.DisposeAsync();
            throw;
        }
    }

    static Target Of(IServers servers, IAsyncDisposable system, (ServiceReplica Process, string Database) order,
        (ServiceReplica Process, string Database) account, BrokerQueues? broker, ServiceReplica? operations = null) =>
        new()
        {
            Order = order.Process.GrpcAddress,
            Account = account.Process.GrpcAddress,
            OrderDatabase = servers.Postgres.Admin(order.Database),
            AccountDatabase = servers.Postgres.Admin(account.Database),
            Broker = broker,
            Operations = operations,
            Services = new Dictionary<string, int>
            {
                ["order"] = order.Process.ProcessId,
                ["account"] = account.Process.ProcessId,
            },
            _owned = { system, servers },
        };

    /// <summary>
    /// Opens a connection for every 64 clients, because HTTP/2 limits a connection to about 100 calls.
    /// </summary>
    public static GrpcChannel[] Connect(Uri address, int clients) =>
        [.. Enumerable.Range(0, (clients + 63) / 64).Select(_ => BearerCredentials.Connect(address))];

    public async ValueTask DisposeAsync()
    {
        foreach (var owned in _owned)
            await owned.DisposeAsync();
    }
}
