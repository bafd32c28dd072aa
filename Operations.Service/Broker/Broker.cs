using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Messaging.RabbitMq;
using Microsoft.Extensions.Options;
using Operations.V1;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Service.Defaults;

namespace Operations;

/// <summary>
/// The broker, as operators need it. Each use opens a new connection: uses are rare, and credentials can change.
/// </summary>
sealed class Broker(HttpClient http, IOptionsMonitor<BrokerOptions> options, IOptions<ManagementOptions> management)
{
    static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowReadingFromString,
    };

    /// <summary>The login of the connections, which the broker demands as the user-id of what is sent.</summary>
    public string UserName
    {
        get
        {
            var factory = NewFactory();
            BrokerEndpoints.Read(options.CurrentValue, factory);
            return factory.UserName;
        }
    }

    /// <summary>Opens a connection.</summary>
    /// <exception cref="Grpc.Core.RpcException">UNAVAILABLE: the broker cannot be reached.</exception>
    public async Task<IConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        try
        {
            var factory = NewFactory();
            var nodes = BrokerEndpoints.Read(options.CurrentValue, factory);
            return await factory.CreateConnectionAsync(nodes, cancellationToken);
        }
        catch (BrokerUnreachableException e)
        {
            throw Unavailable(e);
        }
    }

    /// <summary>
    /// The messages of each queue of the virtual host that consumers have not settled, as of some seconds ago.
    /// </summary>
    /// <exception cref="Grpc.Core.RpcException">UNAVAILABLE: the management API cannot be reached.</exception>
    public async Task<IReadOnlyDictionary<string, long>> ListQueuesAsync(CancellationToken cancellationToken) =>
        (await GetAsync<NamedQueue>("queues/{vhost}?columns=name,messages_unacknowledged", cancellationToken))
            .ToDictionary(x => x.Name, x => x.MessagesUnacknowledged);

    /// <summary>The alarms of all nodes, such as <c>memory alarm on rabbit@host</c>.</summary>
    /// <exception cref="Grpc.Core.RpcException">UNAVAILABLE: the management API cannot be reached.</exception>
    public async Task<IReadOnlyList<string>> ListAlarmsAsync(CancellationToken cancellationToken) =>
        [.. from node in await GetAsync<Node>("nodes?columns=name,mem_alarm,disk_free_alarm", cancellationToken)
            from alarm in new[] { node.MemAlarm ? "memory" : "", node.DiskFreeAlarm ? "disk" : "" }
            where alarm != ""
            select $"{alarm} alarm on {node.Name}"];

    /// <summary>The processes of Order and Account that are connected, by service and host.</summary>
    /// <exception cref="Grpc.Core.RpcException">UNAVAILABLE: the management API cannot be reached.</exception>
    public async Task<IReadOnlyList<Replica>> ListReplicasAsync(CancellationToken cancellationToken) =>
        [.. (await GetAsync<Connection>("vhosts/{vhost}/connections?columns=client_properties,connected_at",
                cancellationToken))
            .Select(x => x.ToReplica()).OfType<Replica>().DistinctBy(x => (x.Service, x.Host, x.ProcessId))
            .OrderBy(x => x.Service).ThenBy(x => x.Host).ThenBy(x => x.ProcessId)];

    async Task<T[]> GetAsync<T>(string path, CancellationToken cancellationToken)
    {
        var factory = NewFactory();
        BrokerEndpoints.Read(options.CurrentValue, factory); // sets the credentials
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(management.Value.Management!,
            $"api/{path.Replace("{vhost}", Uri.EscapeDataString(factory.VirtualHost), StringComparison.Ordinal)}"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic",
            Convert.ToBase64String(Encoding.UTF8.GetBytes($"{factory.UserName}:{factory.Password}")));
        try
        {
            using var response = await http.SendAsync(request, cancellationToken);
            response.EnsureSuccessStatusCode();
            return await response.Content.ReadFromJsonAsync<T[]>(Json, cancellationToken) ?? [];
        }
        catch (HttpRequestException e)
        {
            throw Unavailable(e);
        }
        catch (TaskCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw Unavailable(e);
        }
    }

    /// <summary>The messages and consumers of queues now; without those that do not exist.</summary>
    /// <exception cref="Grpc.Core.RpcException">UNAVAILABLE: the broker cannot be reached.</exception>
    public async Task<IReadOnlyDictionary<string, QueueDeclareOk>> CountAsync(IEnumerable<string> queues,
        CancellationToken cancellationToken)
    {
        await using var connection = await ConnectAsync(cancellationToken);
        var found = new Dictionary<string, QueueDeclareOk>();
        foreach (var queue in queues)
            if (await FindAsync(connection, queue, cancellationToken) is { } state)
                found[queue] = state;
        return found;
    }

    static async Task<QueueDeclareOk?> FindAsync(IConnection connection, string queue,
        CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        try
        {
            return await channel.QueueDeclarePassiveAsync(queue, cancellationToken);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == Constants.NotFound)
        {
            return null;
        }
    }

    ConnectionFactory NewFactory() => new()
    {
        Uri = BrokerAddress.Parse(options.CurrentValue.Address).Nodes[0], // sets the virtual host
        AutomaticRecoveryEnabled = false,
        SocketFactory = BrokerSocket.Create,
        ClientProvidedName = "operations",
    };

    /// <summary>The error for a broker that has not answered.</summary>
    public static Grpc.Core.RpcException Unavailable(Exception error) => RpcErrors.Unavailable("BROKER_UNAVAILABLE",
        $"the broker cannot be reached: {error.GetBaseException().Message}");

    sealed record NamedQueue(string Name, long MessagesUnacknowledged);

    sealed record Node(string Name, bool MemAlarm, bool DiskFreeAlarm);
}
