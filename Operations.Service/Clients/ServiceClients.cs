using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Microsoft.Extensions.Options;
using Operations.V1;

namespace Operations;

/// <summary>The operations of Order and Account. Any replica answers for all.</summary>
sealed class ServiceClients : IDisposable
{
    /// <summary>How long Account may take to replay ledgers; its own limit is shorter.</summary>
    public static readonly TimeSpan MaxReplayTime = TimeSpan.FromMinutes(6);

    static readonly TimeSpan ReconnectDelay = TimeSpan.FromMilliseconds(500);

    readonly GrpcChannel _order, _account;

    public ServiceClients(IOptions<ServiceOptions> options)
    {
        (_order, _account) = (Open(options.Value.Order!), Open(options.Value.Account!));
        var (order, account) = (Invoker("Order", _order), Invoker("Account", _account));
        (Orders, Accounts) = (new(order), new(account));
        Messaging = [("Order", new(order)), ("Account", new(account))];
    }

    /// <summary>The orders.</summary>
    public OrderOperations.OrderOperationsClient Orders { get; }

    /// <summary>The accounts.</summary>
    public AccountOperations.AccountOperationsClient Accounts { get; }

    /// <summary>The messages of each service.</summary>
    public IReadOnlyList<(string Service, MessagingOperations.MessagingOperationsClient Client)> Messaging { get; }

    /// <summary>The queues that the services consume, with their pauses.</summary>
    public async Task<IReadOnlyList<Queue>> ListQueuesAsync(CancellationToken cancellationToken) =>
        [.. (await Task.WhenAll(Messaging.Select(x =>
            x.Client.ListQueuesAsync(new ListQueuesRequest(), cancellationToken: cancellationToken).ResponseAsync)))
            .SelectMany(x => x.Queues)];

    static GrpcChannel Open(Uri address) => GrpcChannel.ForAddress(address, new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler
        {
            UseProxy = false,
            EnableMultipleHttp2Connections = true,
            PooledConnectionLifetime = TimeSpan.FromMinutes(1), // finds other replicas
        },
        DisposeHttpClient = true,
        InitialReconnectBackoff = ReconnectDelay,
        MaxReconnectBackoff = ReconnectDelay,
        MaxReceiveMessageSize = 64 * 1024 * 1024,
    });

    static CallInvoker Invoker(string service, GrpcChannel channel) =>
        channel.Intercept(new UnreachableService(service));

    /// <summary>Closes the connections.</summary>
    public void Dispose()
    {
        _order.Dispose();
        _account.Dispose();
    }
}
