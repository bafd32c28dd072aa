using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Saga.Servers;

/// <summary>A RabbitMQ broker, with an administrator's login to its management API.</summary>
public class RabbitServer : IDisposable
{
    const string ServicePassword = "local", ServiceTag = "ordersaga";

    readonly HttpClient _management;
    readonly Uri _amqp;

    /// <summary>Describes a broker; no connection is opened.</summary>
    /// <param name="amqp">The broker's address with an administrator's user and password.</param>
    /// <param name="management">The address of the management UI.</param>
    public RabbitServer(Uri amqp, Uri management) : this(amqp, management, new SocketsHttpHandler())
    {
    }

    /// <inheritdoc cref="RabbitServer(Uri, Uri)" />
    /// <param name="amqp">The broker's address with an administrator's user and password.</param>
    /// <param name="management">The address of the management UI.</param>
    /// <param name="handler">Sends the calls of the management API.</param>
    protected RabbitServer(Uri amqp, Uri management, HttpMessageHandler handler)
    {
        (_amqp, Management) = (amqp, management);
        (User, Password) = amqp.UserInfo.Split(':', 2) is [var user, var password]
            ? (Uri.UnescapeDataString(user), Uri.UnescapeDataString(password))
            : ("guest", "guest");
        _management = new HttpClient(handler) { BaseAddress = management, Timeout = TimeSpan.FromSeconds(60) };
        _management.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic",
            Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}")));
    }

    /// <summary>The address of the management UI.</summary>
    public Uri Management { get; }

    /// <summary>The administrator's user name.</summary>
    public string User { get; }

    /// <summary>The administrator's password.</summary>
    public string Password { get; }

    /// <summary>The broker's host.</summary>
    public string Host => _amqp.Host;

    /// <summary>The broker's port.</summary>
    public int Port => _amqp.IsDefaultPort || _amqp.Port < 0 ? 5672 : _amqp.Port;

    /// <summary>The address of a virtual host, with the administrator's user and password.</summary>
    public string Amqp(string virtualHost) => Amqp(virtualHost, User, Password);

    /// <summary>The address of a virtual host, with the login of <see cref="CreateServiceUserAsync" />.</summary>
    public string ServiceAmqp(string virtualHost, string user) => Amqp(virtualHost, user, ServicePassword, Hosts);

    string Amqp(string virtualHost, string user, string password, string? hosts = null)
    {
        var path = virtualHost == "/" ? "" : Escape(virtualHost);
        return $"{_amqp.Scheme}://{Escape(user)}:{Escape(password)}@{hosts ?? $"{Host}:{Port}"}/{path}";
    }

    /// <summary>The hosts and ports that services connect to.</summary>
    protected virtual string Hosts => $"{Host}:{Port}";

    /// <summary>Creates a virtual host unless it exists.</summary>
    public async Task CreateVirtualHostAsync(string name, CancellationToken cancellationToken = default)
    {
        if (name == "/")
            return;
        await SendAsync(HttpMethod.Put, $"api/vhosts/{Escape(name)}", null, cancellationToken);
        await PermitAllAsync(User, name);
    }

    /// <summary>Deletes a virtual host with its queues and exchanges.</summary>
    public Task DeleteVirtualHostAsync(string name) =>
        SendAsync(HttpMethod.Delete, $"api/vhosts/{Escape(name)}", null, CancellationToken.None);

    /// <summary>Deletes a queue or an exchange with its bindings and messages, as an operator may.</summary>
    /// <param name="virtualHost">Its virtual host.</param>
    /// <param name="kind">queues or exchanges.</param>
    /// <param name="name">Its name.</param>
    public Task DeleteAsync(string virtualHost, string kind, string name) => SendAsync(HttpMethod.Delete,
        $"api/{kind}/{Escape(virtualHost)}/{Escape(name)}", null, CancellationToken.None);

    /// <summary>Deletes a binding without a routing key.</summary>
    /// <param name="virtualHost">Its virtual host.</param>
    /// <param name="source">The exchange from which messages come.</param>
    /// <param name="destination">The queue or exchange to which they go.</param>
    /// <param name="toExchange">Whether that is an exchange.</param>
    public Task DeleteBindingAsync(string virtualHost, string source, string destination, bool toExchange) =>
        SendAsync(HttpMethod.Delete, $"api/bindings/{Escape(virtualHost)}/e/{Escape(source)}"
            + $"/{(toExchange ? 'e' : 'q')}/{Escape(destination)}/~", null, CancellationToken.None);

    /// <summary>Gives a user every permission in a virtual host.</summary>
    public Task PermitAllAsync(string name, string virtualHost) => SendAsync(HttpMethod.Put,
        $"api/permissions/{Escape(virtualHost)}/{Escape(name)}", new { configure = ".*", write = ".*", read = ".*" },
        CancellationToken.None);

    /// <summary>Creates a user who can connect to a virtual host but has no permissions in it.</summary>
    public async Task CreateUserAsync(string name, string password, string virtualHost)
    {
        await SendAsync(HttpMethod.Put, $"api/users/{Escape(name)}", new { password, tags = "" },
            CancellationToken.None);
        await SendAsync(HttpMethod.Put, $"api/permissions/{Escape(virtualHost)}/{Escape(name)}",
            new { configure = "", write = "", read = "" }, CancellationToken.None);
    }

    /// <summary>Creates a user with the rights of a service in a virtual host.</summary>
    /// <exception cref="InvalidOperationException">A user of this name was not created here.</exception>
    public async Task CreateServiceUserAsync(string name, string virtualHost, BrokerRights rights)
    {
        using (var response = await _management.GetAsync($"api/users/{Escape(name)}"))
            if (response.IsSuccessStatusCode && !(await response.Content.ReadAsStringAsync())
                .Contains(ServiceTag, StringComparison.Ordinal))
                throw new InvalidOperationException(
                    $"{Host}:{Port} has a user {name} that was not created here. Rename or delete it.");
        await SendAsync(HttpMethod.Put, $"api/users/{Escape(name)}",
            new { password = ServicePassword, tags = rights.Tags == "" ? ServiceTag : $"{ServiceTag},{rights.Tags}" },
            CancellationToken.None);
        await SendAsync(HttpMethod.Put, $"api/permissions/{Escape(virtualHost)}/{Escape(name)}",
            new { configure = rights.Configure, write = rights.Write, read = rights.Read }, CancellationToken.None);
    }

    /// <summary>Deletes a user.</summary>
    public Task DeleteUserAsync(string name) =>
        SendAsync(HttpMethod.Delete, $"api/users/{Escape(name)}", null, CancellationToken.None);

    /// <summary>
    /// Starts to move all messages of a queue to another by a shovel. Returns before they are moved. Requires the
    /// plugin rabbitmq_shovel.
    /// </summary>
    /// <param name="virtualHost">The virtual host.</param>
    /// <param name="from">The queue with the messages.</param>
    /// <param name="to">The other queue, which is bound to an exchange of the same name.</param>
    /// <param name="user">The user who signs them, of <see cref="CreateServiceUserAsync" />.</param>
    public async Task MoveMessagesAsync(string virtualHost, string from, string to, string user)
    {
        var address = $"amqp:///{Uri.EscapeDataString(virtualHost)}";
        var path = $"api/parameters/shovel/{Escape(virtualHost)}/{Escape($"move from {from}")}";
        await SendAsync(HttpMethod.Put, path, new
        {
            value = new Dictionary<string, object>
            {
                ["src-protocol"] = "amqp091",
                ["src-uri"] = address,
                ["src-queue"] = from,
                ["src-delete-after"] = "queue-length",
                ["dest-protocol"] = "amqp091",
                ["dest-uri"] = ServiceAmqp(virtualHost, user),
                ["dest-publish-properties"] = new { user_id = user },
                ["dest-exchange"] = to, // its queue's exchange: the user has no right to the default exchange
                ["dest-exchange-key"] = "",
                ["ack-mode"] = "on-confirm",
            },
        }, CancellationToken.None);
    }

    /// <summary>Removes all messages of a queue that no consumer has received.</summary>
    public Task PurgeAsync(string virtualHost, string queue) => SendAsync(HttpMethod.Delete,
        $"api/queues/{Escape(virtualHost)}/{Escape(queue)}/contents", null, CancellationToken.None);

    /// <summary>Creates or replaces a policy, which applies to the queues whose names match a pattern.</summary>
    /// <param name="virtualHost">The virtual host.</param>
    /// <param name="name">The policy's name.</param>
    /// <param name="pattern">A regular expression.</param>
    /// <param name="definition">The settings, for example <c>message-ttl</c> in milliseconds.</param>
    public Task SetPolicyAsync(string virtualHost, string name, string pattern,
        IReadOnlyDictionary<string, object> definition) => SendAsync(HttpMethod.Put,
        $"api/policies/{Escape(virtualHost)}/{Escape(name)}",
        new Dictionary<string, object> { ["pattern"] = pattern, ["definition"] = definition, ["apply-to"] = "queues" },
        CancellationToken.None);

    /// <summary>Deletes a policy.</summary>
    public Task DeletePolicyAsync(string virtualHost, string name) => SendAsync(HttpMethod.Delete,
        $"api/policies/{Escape(virtualHost)}/{Escape(name)}", null, CancellationToken.None);

    /// <summary>Closes all connections to a virtual host.</summary>
    public async Task CloseConnectionsAsync(string virtualHost, CancellationToken cancellationToken = default)
    {
        var all = await _management.GetFromJsonAsync<JsonElement[]>($"api/vhosts/{Escape(virtualHost)}/connections",
            cancellationToken);
        foreach (var connection in all ?? [])
            await SendAsync(HttpMethod.Delete, $"api/connections/{Escape(connection.GetProperty("name").GetString()!)}",
                null, cancellationToken);
    }

    /// <summary>The names of a virtual host's queues.</summary>
    public async Task<IReadOnlyList<string>> QueuesAsync(string virtualHost,
        CancellationToken cancellationToken = default)
    {
        var all = await _management.GetFromJsonAsync<JsonElement[]>($"api/queues/{Escape(virtualHost)}?columns=name",
            cancellationToken);
        return [.. (all ?? []).Select(x => x.GetProperty("name").GetString()!)];
    }

    /// <summary>The number of nodes that run and are separated from no other, as the broker sees it.</summary>
    public async Task<int> CountHealthyNodesAsync(CancellationToken cancellationToken = default)
    {
        var all = await _management.GetFromJsonAsync<JsonElement[]>("api/nodes?columns=running,partitions",
            cancellationToken);
        return (all ?? []).Count(x => x.GetProperty("running").GetBoolean()
            && x.TryGetProperty("partitions", out var partitions) && partitions.GetArrayLength() == 0);
    }

    /// <summary>The number of redeliveries in a virtual host since the broker's start.</summary>
    public async Task<long> RedeliveredAsync(string virtualHost, CancellationToken cancellationToken = default)
    {
        var host = await _management.GetFromJsonAsync<JsonElement>($"api/vhosts/{Escape(virtualHost)}",
            cancellationToken);
        return host.TryGetProperty("message_stats", out var stats) && stats.TryGetProperty("redeliver", out var count)
            ? count.GetInt64() : 0;
    }

    /// <summary>Whether the broker accepts connections and its management API responds.</summary>
    public async Task<bool> IsUpAsync(CancellationToken cancellationToken)
    {
        if (!await Ports.IsOpenAsync(Host, Port, cancellationToken))
            return false;
        try
        {
            using var response = await _management.GetAsync("api/overview", cancellationToken);
            return response.IsSuccessStatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException
            && !cancellationToken.IsCancellationRequested)
        {
            return false; // not started yet
        }
    }

    /// <summary>The share of the machine's memory above which the alarm is raised: RabbitMQ 4's default.</summary>
    protected const string MemoryLimit = "0.6";

    /// <summary>The arguments by which rabbitmqctl raises or clears the memory alarm.</summary>
    protected static string[] MemoryAlarmCommand(bool isRaised) =>
        ["set_vm_memory_high_watermark", isRaised ? "0" : MemoryLimit];

    async Task SendAsync(HttpMethod method, string path, object? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path)
        {
            Content = body == null ? null
            : JsonContent.Create(body)
        };
        if (body == null && method == HttpMethod.Put)
            request.Content = JsonContent.Create(new { });
        using var response = await _management.SendAsync(request, cancellationToken);
        if (response.StatusCode != HttpStatusCode.NotFound)
            response.EnsureSuccessStatusCode();
    }

    static string Escape(string text) => Uri.EscapeDataString(text);

    /// <summary>Closes the connection to the management API.</summary>
    public void Dispose()
    {
        _management.Dispose();
        GC.SuppressFinalize(this);
    }
}
