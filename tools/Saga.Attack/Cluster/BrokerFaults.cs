using Saga.Servers;

namespace Saga.Attack;

/// <summary>Faults of one node of a RabbitMQ cluster, while the other two go on.</summary>
sealed class BrokerFaults(LocalRabbitCluster cluster, Random random)
{
    /// <summary>
    /// A process that does not respond is noticed by its clients after three missed heartbeats; then they connect to
    /// another node.
    /// </summary>
    static readonly TimeSpan MaxSilentRecovery = TimeSpan.FromSeconds(45);

    static readonly TimeSpan MaxRecovery = TimeSpan.FromSeconds(30);

    /// <summary>The faults, each of a random node.</summary>
    public IReadOnlyList<Fault> All =>
    [
        Fault.Of("broker: leaders moved", () => cluster.MoveLeadersAsync(Any())) with { MaxRecovery = MaxRecovery },
        Of("broker: node killed", x => x.StopAsync(Signal.Kill), x => x.StartAsync()),
        Of("broker: node separated", cluster.SeparateAsync, cluster.RejoinAsync),
        // Whoever finds a node that hangs restarts it. One that goes on after the others have given it up may not
        // notice that, and stays out of the cluster.
        Of("broker: node paused", x => x.PauseAsync(), x => RestartAsync(x, Signal.Kill)) with
        {
            MaxRecovery = MaxSilentRecovery,
        },
        Of("broker: node lost its disk", x => x.StopAsync(Signal.Kill), cluster.ReplaceAsync),
        Fault.Of("broker: rolling restart", RestartAllAsync) with { MaxRecovery = MaxRecovery },
    ];

    Fault Of(string kind, Func<LocalRabbit, Task> injectAsync, Func<LocalRabbit, Task> repairAsync)
    {
        var node = cluster.Nodes[0];
        return Fault.Of(kind, () => injectAsync(node = Any())) with
        {
            RepairAsync = async () =>
            {
                await repairAsync(node);
                await cluster.WaitUntilWholeAsync();
            },
            MaxRecovery = MaxRecovery,
        };
    }

    async Task RestartAllAsync()
    {
        foreach (var node in cluster.Nodes)
        {
            await RestartAsync(node, Signal.Term);
            await cluster.WaitUntilWholeAsync();
        }
    }

    static async Task RestartAsync(LocalRabbit node, Signal signal)
    {
        await node.StopAsync(signal);
        await node.StartAsync();
    }

    LocalRabbit Any() => cluster.Nodes[random.Next(cluster.Nodes.Count)];
}
