using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Microsoft.Extensions.Options;
using Operations.V1;

namespace Operations;

/// <summary>The operations of Order and Account. Any replica answers for all.</summary>
sealed class ServiceClients : IDisposable
{
    /// <summary>
    /// How long the services may take to replay ledgers and to sum days; their own limits are shorter.
    /// </summary>
    public static readonly TimeSpan MaxReplayTime = TimeSpan.FromMinutes(6);

    /// <summary>How long a story waits for a service that does not answer.</summary>
    public static readonly TimeSpan MaxAnswerTime = TimeSpan.FromSeconds(10);

    static readonly TimeSpan ReconnectDelay = TimeSpan.FromMilliseconds(500);

    readonly GrpcChannel _order, _account;
    readonly ConcurrentDictionary<string, ListQueuesResponse> _queues = new();

    public ServiceClients(IOptions<ServiceOptions> options, ServiceToken token, ServiceCertificate certificate)
    {
        _order = Open(options.Value.Order!, token, certificate);
        _account = Open(options.Value.Account!, token, certificate);
        var (order, account) = (Invoker(Answers.Order, _order), Invoker(Answers.Account, _account));
        (Orders, Accounts) = (new(order), new(account));
        Messaging = [(Answers.Order, new(order)), (Answers.Account, new(account))];
    }

    /// <summary>The orders.</summary>
    public OrderOperations.OrderOperationsClient Orders { get; }

    /// <summary>The accounts.</summary>
    public AccountOperations.AccountOperationsClient Accounts { get; }

    /// <summary>The messages of each service.</summary>
    public IReadOnlyList<(string Service, MessagingOperations.MessagingOperationsClient Client)> Messaging { get; }

    /// <summary>
    /// The queues that the services consume, with their pauses; of a service that does not answer, those that it has
    /// named before.
    /// </summary>
    public async Task<IReadOnlyList<Queue>> ListQueuesAsync(Answers answers, CancellationToken cancellationToken) =>
        [.. (await Task.WhenAll(Messaging.Select(async x =>
        {
            var list = await answers.OfAsync(x.Service, x.Client.ListQueuesAsync(new ListQueuesRequest(),
                deadline: DateTime.UtcNow + MaxAnswerTime, cancellationToken: cancellationToken).ResponseAsync);
            return list != null ? _queues[x.Service] = list : _queues.GetValueOrDefault(x.Service);
        }))).SelectMany(x => x?.Queues ?? [])];

    static GrpcChannel Open(Uri address, ServiceToken token, ServiceCertificate certificate)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            EnableMultipleHttp2Connections = true,
            PooledConnectionLifetime = TimeSpan.FromMinutes(1), // finds other replicas, and other certificates
        };
        certificate.Apply(handler.SslOptions);
        return GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = new TokenHandler(token) { InnerHandler = handler },
            DisposeHttpClient = true,
            InitialReconnectBackoff = ReconnectDelay,
            MaxReconnectBackoff = ReconnectDelay,
            MaxReceiveMessageSize = 64 * 1024 * 1024,
        });
    }

    static CallInvoker Invoker(string service, GrpcChannel channel) =>
        channel.Intercept(new UnreachableService(service));

    /// <summary>Closes the connections.</summary>
    public void Dispose()
    {
        _order.Dispose();
        _account.Dispose();
    }
}
