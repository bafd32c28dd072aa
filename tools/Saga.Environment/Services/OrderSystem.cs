using System.Security.Cryptography;
using Accounts.V1;
using Orders.V1;
using Saga.Servers;
using Spectre.Console;

namespace Saga.Services;

/// <summary>Both services as processes on a pair of servers, each with its own database.</summary>
public sealed class OrderSystem : IAsyncDisposable
{
    readonly OrderSystemOptions _options;
    readonly IServers _servers;

    OrderSystem(IServers servers, OrderSystemOptions options, DatabaseLogins orders, DatabaseLogins accounts,
        DatabaseLogins? operations)
    {
        (_servers, _options) = (servers, options);
        if (options.WithIssuer)
            (Issuer, Tokens) = NewIssuer();
        (OrderLogins, AccountLogins, OperationsLogins) = (orders, accounts, operations);
        Orders = Replicas("Order", options.OrderReplicas, orders, (OrderUser, AccountUser), firstPort: 5101);
        Accounts = Replicas("Account", options.AccountReplicas, accounts, (AccountUser, OrderUser), firstPort: 5201);
        if (operations != null)
            Operations = NewOperations(operations);
    }

    /// <summary>The logins of Order's database.</summary>
    public DatabaseLogins OrderLogins { get; }

    /// <summary>The logins of Account's database.</summary>
    public DatabaseLogins AccountLogins { get; }

    /// <summary>The logins of the database of the service for operators, if it runs.</summary>
    public DatabaseLogins? OperationsLogins { get; }

    /// <summary>The processes of Order.</summary>
    public IReadOnlyList<ServiceReplica> Orders { get; }

    /// <summary>The processes of Account.</summary>
    public IReadOnlyList<ServiceReplica> Accounts { get; }

    /// <summary>The process for operators; null unless the options ask for it.</summary>
    public ServiceReplica? Operations { get; }

    /// <summary>The development issuer; null unless the options ask for it.</summary>
    public ServiceReplica? Issuer { get; }

    /// <summary>The tokens of the development issuer, if it runs.</summary>
    public DevelopmentTokens? Tokens { get; }

    /// <summary>The servers of the system.</summary>
    public IServers Servers => _servers;

    /// <summary>The suffix of the databases and the virtual host.</summary>
    public string Suffix => _options.Suffix;

    /// <summary>The broker's virtual host.</summary>
    public string VirtualHost => _options.Suffix == "" ? "/" : $"ordersaga{_options.Suffix}";

    /// <summary>Order's user of the broker.</summary>
    public string OrderUser => UserOf("orders");

    /// <summary>Account's user of the broker.</summary>
    public string AccountUser => UserOf("accounts");

    /// <summary>The user of the broker that the service for operators has.</summary>
    public string OperationsUser => UserOf("operations");

    string UserOf(string name) => $"{name}{_options.Suffix}";

    /// <summary>The user of the broker whose messages a queue of one of the services accepts.</summary>
    public string SenderTo(string queue) =>
        queue.StartsWith("order", StringComparison.Ordinal) ? AccountUser : OrderUser;

    /// <summary>The address of the broker with the login of one of these users.</summary>
    public string AmqpOf(string user) => _servers.Rabbit.ServiceAmqp(VirtualHost, user);

    /// <summary>Order's database.</summary>
    public string OrderDatabase => $"orders{_options.Suffix}";

    /// <summary>Account's database.</summary>
    public string AccountDatabase => $"accounts{_options.Suffix}";

    /// <summary>The database of the service for operators, if it runs.</summary>
    public string OperationsDatabase => $"operations{_options.Suffix}";

    /// <summary>A client of the first process of Order.</summary>
    public OrderService.OrderServiceClient OrderClient => new(Orders[0].Channel);

    /// <summary>A client of the first process of Account.</summary>
    public AccountService.AccountServiceClient AccountClient => new(Accounts[0].Channel);

    /// <summary>
    /// Creates the databases and the virtual host, migrates, starts the processes, and waits until they are ready.
    /// </summary>
    public static async Task<OrderSystem> StartAsync(IServers servers, OrderSystemOptions options,
        CancellationToken cancellationToken = default)
    {
        var system = await CreateDatabasesAsync(servers, options, cancellationToken);
        if (system.VirtualHost != "/")
        {
            await servers.BrokerStarted;
            await servers.Rabbit.CreateVirtualHostAsync(system.VirtualHost, cancellationToken);
            await system.CreateUsersAsync();
        }

        try
        {
            if (options.PrepareAsync is { } prepareAsync)
                await prepareAsync(system);
            if (!options.RunAsOwner && options.CopyOf == null)
                await system.MigrateAsync(cancellationToken);
            if (system.Issuer is { } issuer)
            {
                issuer.Start();
                await issuer.WaitUntilReadyAsync(cancellationToken);
            }

            foreach (var replica in system.All)
                replica.Start();
            await servers.BrokerStarted;
            if (system.VirtualHost == "/") // the services were started without waiting for the broker
                await system.CreateUsersAsync();
            await Task.WhenAll(system.All.Select(x => x.WaitUntilReadyAsync(cancellationToken)));
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Creates and migrates the databases, and starts nothing: for systems with
    /// <see cref="OrderSystemOptions.CopyOf" />.
    /// </summary>
    /// <returns>Drops them when it is disposed.</returns>
    public static async Task<OrderSystem> MigrateOnlyAsync(IServers servers, OrderSystemOptions options,
        CancellationToken cancellationToken = default)
    {
        var system = await CreateDatabasesAsync(servers, options, cancellationToken);
        await system.MigrateAsync(cancellationToken);
        return system;
    }

    static async Task<OrderSystem> CreateDatabasesAsync(IServers servers, OrderSystemOptions options,
        CancellationToken cancellationToken)
    {
        return new OrderSystem(servers, options, await CreateAsync("orders"), await CreateAsync("accounts"),
            options.WithOperations ? await CreateAsync("operations") : null);

        Task<DatabaseLogins> CreateAsync(string name)
        {
            var postgres = name == "accounts" ? servers.AccountPostgres : servers.Postgres;
            return options.CopyOf is { } original
                ? postgres.CopyDatabaseAsync($"{name}{options.Suffix}", $"{name}{original}", cancellationToken)
                : postgres.CreateDatabaseAndRolesAsync($"{name}{options.Suffix}", cancellationToken);
        }
    }

    /// <summary>Creates the services' users of the broker, and gives them their rights in the virtual host.</summary>
    public Task CreateUsersAsync() => Task.WhenAll(((string[])["orders", "accounts", "operations"]).Select(x =>
        _servers.Rabbit.CreateServiceUserAsync(UserOf(x), VirtualHost, BrokerRights.Of(x))));

    /// <summary>Migrates the databases, and gives their roles their rights.</summary>
    /// <exception cref="InvalidOperationException">A database could not be migrated.</exception>
    public Task MigrateAsync(CancellationToken cancellationToken = default)
    {
        return Task.WhenAll(Migrate(Orders, OrderLogins), Migrate(Accounts, AccountLogins),
            Migrate(Operations is { } one ? [one] : [], OperationsLogins));

        Task Migrate(IReadOnlyList<ServiceReplica> replicas, DatabaseLogins? logins) => replicas.Count == 0
            ? Task.CompletedTask : replicas[0].MigrateAsync(logins!.ToMigrate, cancellationToken);
    }

    /// <summary>The three orders of the demonstration on this system.</summary>
    public ThreeOrders ThreeOrders(IAnsiConsole console, CancellationToken cancellationToken)
    {
        Task<string> SendToAccounts(Signal signal, string name)
        {
            foreach (var replica in Accounts)
                replica.Send(signal);
            return Task.FromResult(name);
        }

        return new ThreeOrders(OrderClient, AccountClient, () => SendToAccounts(Signal.Stop, "SIGSTOP"),
            () => SendToAccounts(Signal.Continue, "SIGCONT"), console, cancellationToken);
    }

    IEnumerable<ServiceReplica> All => Accounts.Concat(Orders).Concat(Operations is { } one ? [one] : []);

    ServiceReplica[] Replicas(string service, int count, DatabaseLogins database, (string Own, string Other) users,
        int firstPort)
    {
        var name = service.ToLowerInvariant();
        var settings = new Dictionary<string, string>(SettingsOf(database))
        {
            ["ConnectionStrings__RabbitMq"] = AmqpOf(users.Own),
            ["Messaging__Senders__0"] = users.Other,
            ["Messaging__Replayers__0"] = OperationsUser,
        };
        var program = _options.Programs.Find(service);
        return [.. Enumerable.Range(1, count).Select(i => new ServiceReplica(_servers.Folder, program,
            $"{name}{_options.Suffix}-{i}", ReplicaPorts.Pick(_options.WellKnownPorts && i == 1 ? firstPort : 0),
            _options.Adjust?.Invoke(settings) ?? settings, TokenOf("alice")))];
    }

    Func<Task<string>>? TokenOf(string user) => Tokens == null ? null : () => Tokens.GetAsync(user);

    (ServiceReplica, DevelopmentTokens) NewIssuer()
    {
        var password = RandomNumberGenerator.GetHexString(12, lowercase: true);
        var ports = ReplicaPorts.Pick(_options.WellKnownPorts ? 5400 : 0);
        var address = new Uri($"{LocalTls.Scheme("http")}://127.0.0.1:{ports.Http}");
        var issuer = new ServiceReplica(_servers.Folder, _options.Programs.Find("Issuer"),
            $"issuer{_options.Suffix}", ports, new Dictionary<string, string>
            {
                ["ASPNETCORE_ENVIRONMENT"] = "Development",
                ["Issuer__Name"] = $"{address}",
                ["Issuer__Password"] = password,
            });
        return (issuer, new DevelopmentTokens(address, password));
    }

    /// <summary>The settings of services that trust the development issuer, if it runs.</summary>
    Dictionary<string, string> TrustSettings => Issuer == null ? [] : new Dictionary<string, string>
    {
        ["ASPNETCORE_ENVIRONMENT"] = "Development",
        ["Authentication__Authority"] = $"{Issuer.HttpAddress}",
        ["Authentication__KeySet"] = "",
    };

    ServiceReplica NewOperations(DatabaseLogins database)
    {
        var settings = new Dictionary<string, string>(SettingsOf(database))
        {
            ["ConnectionStrings__RabbitMq"] = AmqpOf(OperationsUser),
            ["RabbitMq__Management"] = $"{_servers.Rabbit.Management}",
            ["Services__Order"] = $"{Orders[0].OperationsAddress}",
            ["Services__Account"] = $"{Accounts[0].OperationsAddress}",
        };
        const string Client = "operations-service";
        if (Tokens == null)
            settings["Services__TokenFile"] =
                TokenIssuer.Instance.WriteToken(_servers.Folder, Client, TokenIssuer.OperationsScopes);
        else
            foreach (var section in (string[])["Services", "SignIn"])
                (settings[$"{section}__ClientId"], settings[$"{section}__ClientSecret"]) = (Client, Tokens.Password);
        return new ServiceReplica(_servers.Folder, _options.Programs.Find("Operations"),
            $"operations{_options.Suffix}", ReplicaPorts.Pick(_options.WellKnownPorts ? 5301 : 0), settings,
            TokenOf("operator"));
    }

    Dictionary<string, string> SettingsOf(DatabaseLogins database) => new(TrustSettings.Concat(_options.Settings))
    {
        ["ConnectionStrings__Database"] = _options.RunAsOwner ? database.Owner : database.Runtime,
        ["Database__MigrateAtStartup"] = _options.RunAsOwner ? "true" : "false",
    };

    /// <summary>
    /// Stops the processes. Drops the databases and the virtual host, unless they have no suffix and so may hold data
    /// of earlier runs.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(All.Concat(Issuer is { } issuer ? [issuer] : []).Select(x => x.DisposeAsync().AsTask()));
        if (_options.Suffix == "")
            return;
        await _servers.Postgres.DropDatabaseAsync(OrderDatabase);
        await _servers.AccountPostgres.DropDatabaseAsync(AccountDatabase);
        if (Operations != null)
            await _servers.Postgres.DropDatabaseAsync($"operations{_options.Suffix}");
        await _servers.Rabbit.DeleteVirtualHostAsync(VirtualHost);
        foreach (var user in (string[])[OrderUser, AccountUser, OperationsUser])
            await _servers.Rabbit.DeleteUserAsync(user);
    }
}
