using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Saga.Servers;

/// <summary>A RabbitMQ broker as its administrator sees it, through its management API.</summary>
public class RabbitServer : IDisposable
{
    readonly HttpClient _management;
    readonly Uri _amqp;

    /// <summary>Connects to a broker.</summary>
    /// <param name="amqp">Its address, with an administrator's user and password.</param>
    /// <param name="management">The address of its management UI.</param>
    public RabbitServer(Uri amqp, Uri management)
    {
        (_amqp, Management) = (amqp, management);
        (User, Password) = amqp.UserInfo.Split(':', 2) is [var user, var password]
            ? (Uri.UnescapeDataString(user), Uri.UnescapeDataString(password))
            : ("guest", "guest");
        _management = new HttpClient { BaseAddress = management, Timeout = TimeSpan.FromSeconds(10) };
        _management.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic",
            Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}")));
    }

    /// <summary>The management UI.</summary>
    public Uri Management { get; }

    /// <summary>The administrator.</summary>
    public string User { get; }

    /// <summary>The administrator's password.</summary>
    public string Password { get; }

    /// <summary>The broker's host.</summary>
    public string Host => _amqp.Host;

    /// <summary>The broker's port.</summary>
    public int Port => _amqp.IsDefaultPort || _amqp.Port < 0 ? 5672 : _amqp.Port;

    /// <summary>The address of a virtual host, with the administrator's user and password.</summary>
    public string Amqp(string virtualHost) =>
        $"amqp://{Uri.EscapeDataString(User)}:{Uri.EscapeDataString(Password)}@{Host}:{Port}/{(virtualHost == "/" ? "" : Uri.EscapeDataString(virtualHost))}";

    /// <summary>Makes a virtual host; one that is there is kept.</summary>
    public async Task CreateVirtualHostAsync(string name, CancellationToken cancellationToken = default)
    {
        if (name == "/")
            return;
        await SendAsync(HttpMethod.Put, $"api/vhosts/{Escape(name)}", null, cancellationToken);
        await SendAsync(HttpMethod.Put, $"api/permissions/{Escape(name)}/{Escape(User)}",
            new { configure = ".*", write = ".*", read = ".*" }, cancellationToken);
    }

    /// <summary>Deletes a virtual host with all that is in it.</summary>
    public Task DeleteVirtualHostAsync(string name) =>
        SendAsync(HttpMethod.Delete, $"api/vhosts/{Escape(name)}", null, CancellationToken.None);

    /// <summary>Makes a user who may log in to a virtual host, and nothing else there.</summary>
    public async Task CreateUserAsync(string name, string password, string virtualHost)
    {
        await SendAsync(HttpMethod.Put, $"api/users/{Escape(name)}", new { password, tags = "" }, CancellationToken.None);
        await SendAsync(HttpMethod.Put, $"api/permissions/{Escape(virtualHost)}/{Escape(name)}",
            new { configure = "", write = "", read = "" }, CancellationToken.None);
    }

    /// <summary>Deletes a user.</summary>
    public Task DeleteUserAsync(string name) =>
        SendAsync(HttpMethod.Delete, $"api/users/{Escape(name)}", null, CancellationToken.None);

    /// <summary>Has all messages of a queue moved to another, as the management UI does; needs the plugin rabbitmq_shovel. They may not have been yet when this returns.</summary>
    public async Task MoveMessagesAsync(string virtualHost, string from, string to)
    {
        var address = $"amqp:///{Uri.EscapeDataString(virtualHost)}";
        await SendAsync(HttpMethod.Put, $"api/parameters/shovel/{Escape(virtualHost)}/{Escape($"move from {from}")}", new
        {
            value = new Dictionary<string, object>
            {
                ["src-protocol"] = "amqp091",
                ["src-uri"] = address,
                ["src-queue"] = from,
                ["src-delete-after"] = "queue-length",
                ["dest-protocol"] = "amqp091",
                ["dest-uri"] = address,
                ["dest-queue"] = to,
                ["ack-mode"] = "on-confirm",
            },
        }, CancellationToken.None);
    }

    /// <summary>Closes every client's connection to a virtual host.</summary>
    public async Task CloseConnectionsAsync(string virtualHost, CancellationToken cancellationToken = default)
    {
        var all = await _management.GetFromJsonAsync<JsonElement[]>($"api/vhosts/{Escape(virtualHost)}/connections", cancellationToken);
        foreach (var connection in all ?? [])
            await SendAsync(HttpMethod.Delete, $"api/connections/{Escape(connection.GetProperty("name").GetString()!)}", null, cancellationToken);
    }

    /// <summary>The names of a virtual host's queues.</summary>
    public async Task<IReadOnlyList<string>> QueuesAsync(string virtualHost, CancellationToken cancellationToken = default)
    {
        var all = await _management.GetFromJsonAsync<JsonElement[]>($"api/queues/{Escape(virtualHost)}?columns=name", cancellationToken);
        return [.. (all ?? []).Select(x => x.GetProperty("name").GetString()!)];
    }

    /// <summary>How many deliveries of a virtual host were repeats, since the broker started.</summary>
    public async Task<long> RedeliveredAsync(string virtualHost, CancellationToken cancellationToken = default)
    {
        var host = await _management.GetFromJsonAsync<JsonElement>($"api/vhosts/{Escape(virtualHost)}", cancellationToken);
        return host.TryGetProperty("message_stats", out var stats) && stats.TryGetProperty("redeliver", out var count) ? count.GetInt64() : 0;
    }

    /// <summary>Whether it takes connections and its management API answers.</summary>
    public async Task<bool> IsUpAsync(CancellationToken cancellationToken)
    {
        if (!await Ports.IsOpenAsync(Host, Port, cancellationToken))
            return false;
        try
        {
            using var answer = await _management.GetAsync("api/overview", cancellationToken);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false; // not yet
        }
    }

    /// <summary>Which part of the machine's memory it may use: RabbitMQ 4's default.</summary>
    protected const string MemoryLimit = "0.6";

    /// <summary>What rabbitmqctl is told to raise the alarm of the memory, or to end it.</summary>
    protected static string[] Alarm(bool raised) => ["set_vm_memory_high_watermark", raised ? "0" : MemoryLimit];

    async Task SendAsync(HttpMethod method, string path, object? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body == null ? null : JsonContent.Create(body) };
        if (body == null && method == HttpMethod.Put)
            request.Content = JsonContent.Create(new { });
        using var answer = await _management.SendAsync(request, cancellationToken);
        if (answer.StatusCode != HttpStatusCode.NotFound)
            answer.EnsureSuccessStatusCode();
    }

    static string Escape(string text) => Uri.EscapeDataString(text);

    /// <summary>Ends the connection to the management API.</summary>
    public void Dispose()
    {
        _management.Dispose();
        GC.SuppressFinalize(this);
    }
}
