using Accounts.V1;
using Orders.V1;
using Saga.Servers;
using Spectre.Console;

namespace Saga.Services;

/// <summary>How an <see cref="OrderSystem" /> is made.</summary>
public sealed record OrderSystemOptions
{
    /// <summary>Distinguishes databases and virtual host from those of other systems on the same servers; empty for none.</summary>
    public string Suffix { get; init; } = "";

    /// <summary>How many processes of Order.</summary>
    public int OrderReplicas { get; init; } = 1;

    /// <summary>How many processes of Account.</summary>
    public int AccountReplicas { get; init; } = 1;

    /// <summary>The build of the services to run.</summary>
    public ServicePrograms Programs { get; init; } = ServicePrograms.Published;

    /// <summary>Prefers the ports of the README.</summary>
    public bool WellKnownPorts { get; init; }

    /// <summary>Changes the configuration of one process, by service and number: for example its way to the servers.</summary>
    public Func<string, IReadOnlyDictionary<string, string>, IReadOnlyDictionary<string, string>>? Adjust { get; init; }

    /// <summary>More configuration for all services, as environment variables.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();
}

/// <summary>Both services as real processes, each on a database of its own, on given servers.</summary>
public sealed class OrderSystem : IAsyncDisposable
{
    readonly OrderSystemOptions _options;
    readonly IServers _servers;

    OrderSystem(IServers servers, OrderSystemOptions options, string ordersOwner, string accountsOwner)
    {
        (_servers, _options) = (servers, options);
        IReadOnlyDictionary<string, string> Settings(string replica, string database)
        {
            var settings = new Dictionary<string, string>(options.Settings)
            {
                ["ConnectionStrings__Database"] = database,
                ["ConnectionStrings__RabbitMq"] = servers.Rabbit.Amqp(VirtualHost),
            };
            return options.Adjust?.Invoke(replica, settings) ?? settings;
        }

        Orders = [.. Enumerable.Range(1, options.OrderReplicas).Select(i => new ServiceReplica(servers.Folder, options.Programs.Find("Order"), $"order{options.Suffix}-{i}",
            Ports.Pick(options.WellKnownPorts && i == 1 ? 5101 : 0), Ports.Pick(options.WellKnownPorts && i == 1 ? 5102 : 0), Settings($"order-{i}", ordersOwner)))];
        Accounts = [.. Enumerable.Range(1, options.AccountReplicas).Select(i => new ServiceReplica(servers.Folder, options.Programs.Find("Account"), $"account{options.Suffix}-{i}",
            Ports.Pick(options.WellKnownPorts && i == 1 ? 5201 : 0), Ports.Pick(options.WellKnownPorts && i == 1 ? 5202 : 0), Settings($"account-{i}", accountsOwner)))];
    }

    /// <summary>The processes of Order.</summary>
    public IReadOnlyList<ServiceReplica> Orders { get; }

    /// <summary>The processes of Account.</summary>
    public IReadOnlyList<ServiceReplica> Accounts { get; }

    /// <summary>The servers it runs on.</summary>
    public IServers Servers => _servers;

    /// <summary>The broker's virtual host.</summary>
    public string VirtualHost => _options.Suffix == "" ? "/" : $"ordersaga{_options.Suffix}";

    /// <summary>Order's database.</summary>
    public string OrderDatabase => $"orders{_options.Suffix}";

    /// <summary>Account's database.</summary>
    public string AccountDatabase => $"accounts{_options.Suffix}";

    /// <summary>Calls the first process of Order.</summary>
    public OrderService.OrderServiceClient OrderClient => new(Orders[0].Channel);

    /// <summary>Calls the first process of Account.</summary>
    public AccountService.AccountServiceClient AccountClient => new(Accounts[0].Channel);

    /// <summary>Makes the databases and the virtual host, starts the processes, and waits until they are ready.</summary>
    public static async Task<OrderSystem> StartAsync(IServers servers, OrderSystemOptions options, CancellationToken cancellationToken = default)
    {
        var orders = await servers.Postgres.CreateDatabaseAsync($"orders{options.Suffix}", cancellationToken);
        var accounts = await servers.Postgres.CreateDatabaseAsync($"accounts{options.Suffix}", cancellationToken);
        var system = new OrderSystem(servers, options, orders, accounts);
        if (system.VirtualHost != "/")
        {
            await servers.BrokerStarted;
            await servers.Rabbit.CreateVirtualHostAsync(system.VirtualHost, cancellationToken);
        }

        try
        {
            foreach (var replica in system.All)
                replica.Start();
            await servers.BrokerStarted;
            await Task.WhenAll(system.All.Select(x => x.WaitUntilReadyAsync(cancellationToken)));
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>The three orders on this system.</summary>
    public ThreeOrders ThreeOrders(IAnsiConsole console, CancellationToken cancellationToken)
    {
        Task<string> Signalled(Signal signal, string name)
        {
            foreach (var replica in Accounts)
                replica.Send(signal);
            return Task.FromResult(name);
        }

        return new ThreeOrders(OrderClient, AccountClient, () => Signalled(Signal.Stop, "SIGSTOP"), () => Signalled(Signal.Continue, "SIGCONT"),
            console, cancellationToken);
    }

    IEnumerable<ServiceReplica> All => Accounts.Concat(Orders);

    /// <summary>Ends the processes, and drops databases and virtual host unless they are the ones without a suffix.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(All.Select(x => x.DisposeAsync().AsTask()));
        if (_options.Suffix == "")
            return;
        await _servers.Postgres.DropDatabaseAsync(OrderDatabase);
        await _servers.Postgres.DropDatabaseAsync(AccountDatabase);
        await _servers.Rabbit.DeleteVirtualHostAsync(VirtualHost);
    }
}
