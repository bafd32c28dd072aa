using System.Net;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>One process of a service with its own database, which may never become ready.</summary>
public sealed class StartedService : IAsyncDisposable
{
    readonly IServers _servers;
    readonly string _database;
    readonly string _virtualHost;

    StartedService(IServers servers, string database, string virtualHost, ServiceReplica replica) =>
        (_servers, _database, _virtualHost, Replica) = (servers, database, virtualHost, replica);

    public ServiceReplica Replica { get; }

    /// <summary>The broker's virtual host.</summary>
    public string VirtualHost => _virtualHost;

    /// <summary>The lines of the log with a severity, such as warn or crit.</summary>
    public string[] LogLines(string severity)
    {
        string[] lines = File.Exists(Replica.LogFile) ? File.ReadAllLines(Replica.LogFile) : [];
        return [.. lines.Index().Where(x => x.Item.Contains($" {severity}:", StringComparison.Ordinal))
            .Select(x => lines[x.Index + 1].Trim())];
    }

    /// <summary>Creates a database and a virtual host, and starts a service on them.</summary>
    /// <param name="service">Order or Account.</param>
    /// <param name="change">Changes the configuration before the start; receives environment variables.</param>
    public static async Task<StartedService> StartAsync(string service, Action<Dictionary<string, string>> change)
    {
        var servers = await TestServers.GetAsync();
        var name = TestServers.NewName("start");
        await servers.Rabbit.CreateVirtualHostAsync(name);
        var settings = new Dictionary<string, string>
        {
            ["ConnectionStrings__Database"] = await servers.Postgres.CreateDatabaseAsync(name),
            ["ConnectionStrings__RabbitMq"] = servers.Rabbit.Amqp(name),
        };
        change(settings);
        var replica = new ServiceReplica(servers.Folder, ServicePrograms.Published.Find(service), name,
            ReplicaPorts.Pick(), settings);
        replica.Start();
        return new StartedService(servers, name, name, replica);
    }

    /// <summary>Waits until the process has ended.</summary>
    public Task WaitForExitAsync() => Wait.UntilAsync(() => Task.FromResult(Replica.HasExited),
        TimeSpan.FromSeconds(60), () => $"{Replica.Name} to end:\n{File.ReadAllText(Replica.LogFile)}");

    /// <summary>Waits until the health check reports that the process runs.</summary>
    public Task WaitUntilLiveAsync() => Wait.UntilAsync(() => IsHealthyAsync("/health/live"),
        TimeSpan.FromSeconds(30), () => $"{Replica.Name} to be live:\n{File.ReadAllText(Replica.LogFile)}");

    /// <summary>Whether the health check reports ready.</summary>
    public Task<bool> IsReadyAsync() => IsHealthyAsync("/health/ready");

    async Task<bool> IsHealthyAsync(string path)
    {
        using var http = new HttpClient { BaseAddress = Replica.HttpAddress, Timeout = TimeSpan.FromSeconds(5) };
        try
        {
            using var response = await http.GetAsync(path);
            return response.StatusCode == HttpStatusCode.OK;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return false; // the port is not open yet, or there is no answer in time
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Replica.DisposeAsync();
        await _servers.Postgres.DropDatabaseAsync(_database);
        await _servers.Rabbit.DeleteVirtualHostAsync(_virtualHost);
    }
}
