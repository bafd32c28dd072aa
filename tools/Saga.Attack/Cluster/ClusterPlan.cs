using Saga.Servers;
using Saga.Services;

namespace Saga.Attack;

/// <summary>
/// Faults of clusters of servers, one after the other: each takes one server away, or changes their roles.
/// </summary>
sealed class ClusterPlan : IAttackPlan
{
    ClusterServers? _servers;

    public async Task<IServers> StartServersAsync(CancellationToken cancellationToken) =>
        _servers = await ClusterServers.StartAsync(cancellationToken);

    OrderSystemOptions IAttackPlan.Configure(OrderSystemOptions options, IServers servers) => Configure(options);

    /// <summary>Has the services declare replicated queues.</summary>
    public static OrderSystemOptions Configure(OrderSystemOptions options) => options with
    {
        Settings = new Dictionary<string, string>(options.Settings) { ["Messaging__QuorumQueues"] = "true" },
    };

    public Task<IReadOnlyList<IEnumerable<Fault>>> StartAsync(OrderSystem system, int seed)
    {
        var random = new Random(seed);
        return Task.FromResult<IReadOnlyList<IEnumerable<Fault>>>(
            [Fault.Shuffled(FaultsOf(_servers!, random), random)]);
    }

    /// <summary>The faults of all servers.</summary>
    public static IReadOnlyList<Fault> FaultsOf(ClusterServers servers, Random random) =>
        [.. new BrokerFaults(servers.Rabbit, random).All, .. new DatabaseFaults(servers).All];

    public Task HealAsync(CancellationToken cancellationToken) => _servers!.WaitUntilWholeAsync(cancellationToken);

    public Task<IReadOnlyList<(string Name, long Count)>> StopAsync() =>
        Task.FromResult<IReadOnlyList<(string Name, long Count)>>([]);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
