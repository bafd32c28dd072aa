namespace Saga.Servers;

/// <summary>
/// A private RabbitMQ cluster of three nodes, run from the programs installed on this machine. A node that is in a
/// minority pauses. Queues are replicated if they are declared as quorum queues.
/// </summary>
public sealed class LocalRabbitCluster : RabbitServer, IAsyncDisposable
{
    const int Size = 3;

    /// <summary>After this time, the others treat a node that does not respond as gone.</summary>
    public static readonly TimeSpan NetTickTime = TimeSpan.FromSeconds(10);

    static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(2);

    readonly ErlangNetwork _network;

    LocalRabbitCluster(ErlangNetwork network, IReadOnlyList<LocalRabbit> nodes)
        : base(new Uri(nodes[0].Amqp("/")), nodes[0].Management,
            new AnyNodeHandler([.. nodes.Select(x => x.Management)])) =>
        (_network, Nodes) = (network, nodes);

    /// <summary>The nodes; each can be stopped and paused by itself.</summary>
    public IReadOnlyList<LocalRabbit> Nodes { get; }

    /// <inheritdoc />
    protected override string Hosts => string.Join(',', Nodes.Select(x => $"{x.Host}:{x.Port}"));

    /// <summary>Starts the nodes, which find each other by their configuration.</summary>
    /// <param name="folder">The folder of their data and logs.</param>
    /// <param name="program">The path of the server program.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    public static async Task<LocalRabbitCluster> StartAsync(InstanceFolder folder, string program,
        CancellationToken cancellationToken)
    {
        var network = new ErlangNetwork(folder);
        int[] ports = [.. Enumerable.Range(0, Size).Select(_ => Ports.Pick())];
        string[] settings =
        [
            "cluster_partition_handling = pause_minority",
            $"net_ticktime = {NetTickTime.TotalSeconds}",
            "cluster_formation.peer_discovery_backend = classic_config",
            .. ports.Select((x, i) => $"cluster_formation.classic_config.nodes.{i + 1} = {LocalRabbit.NameOf(x)}"),
        ];
        var cluster = new LocalRabbitCluster(network,
            [.. ports.Select(x => new LocalRabbit(
                folder, program, x, Ports.Pick(), LocalTls.Instance, network, settings))]);
        try
        {
            await Task.WhenAll(cluster.Nodes.Select(x => x.StartAsync(cancellationToken)));
            await cluster.WaitUntilWholeAsync(cancellationToken);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Waits until every node runs and sees the others, and every quorum queue can do without any one of them.
    /// </summary>
    public async Task WaitUntilWholeAsync(CancellationToken cancellationToken = default)
    {
        foreach (var node in Nodes)
            await Wait.UntilAsync(() => IsWholeForAsync(node, cancellationToken), MaxWait,
                () => $"{node.NodeName} to see {Size} nodes", cancellationToken, pollMilliseconds: 200);
        var missing = "";
        await Wait.UntilAsync(async () =>
        {
            try
            {
                await Task.WhenAll(Nodes.Select(x => x.RunAsync("rabbitmq-diagnostics",
                    "check_if_node_is_quorum_critical")));
                return true;
            }
            catch (InvalidOperationException e)
            {
                missing = e.Message;
                return false;
            }
        }, MaxWait, () => $"the queues to have all members: {missing}", cancellationToken);
    }

    static async Task<bool> IsWholeForAsync(LocalRabbit node, CancellationToken cancellationToken)
    {
        try
        {
            return await node.IsUpAsync(cancellationToken)
                && await node.CountHealthyNodesAsync(cancellationToken) == Size;
        }
        catch (HttpRequestException)
        {
            return false; // not started yet
        }
    }

    /// <summary>Moves the leaders of all quorum queues to a node.</summary>
    public Task MoveLeadersAsync(LocalRabbit to) => AnyBut(to).RunAsync("rabbitmqctl", "eval", $"""
        [rabbit_quorum_queue:transfer_leadership(Q, '{to.NodeName}')
            || Q <- rabbit_amqqueue:list(), rabbit_amqqueue:is_replicated(Q)].
        """);

    /// <summary>
    /// Separates a node from the others: connections between them are closed, and new ones refused. Returns when the
    /// node has paused, because it is in the minority.
    /// </summary>
    /// <remarks>
    /// The node takes another cookie for the others, so both sides notice at once. A network that loses packets is
    /// noticed after <see cref="NetTickTime" /> only, as is a paused process.
    /// </remarks>
    public async Task SeparateAsync(LocalRabbit node)
    {
        await node.RunAsync("rabbitmqctl", "eval", $"""
            [begin erlang:set_cookie(N, separated), erlang:disconnect_node(N) end || N <- [{Others(node)}]].
            """);
        await Wait.UntilAsync(async () => !await Ports.IsOpenAsync(node.Host, node.Port, default), MaxWait,
            () => $"{node.NodeName} to pause because it is in the minority");
    }

    /// <summary>Ends the separation of a node. The node resumes by itself.</summary>
    public Task RejoinAsync(LocalRabbit node) => node.RunAsync("rabbitmqctl", "eval",
        $"[erlang:set_cookie(N, erlang:get_cookie()) || N <- [{Others(node)}]].");

    /// <summary>
    /// Replaces a node that was killed and has lost its disk: the others forget it, it joins again, empty, and gets a
    /// copy of each quorum queue.
    /// </summary>
    public async Task ReplaceAsync(LocalRabbit node)
    {
        node.DeleteData();
        var other = AnyBut(node);
        await other.RunAsync("rabbitmqctl", "forget_cluster_node", node.NodeName);
        await node.StartAsync();
        await other.RunAsync("rabbitmq-queues", "grow", node.NodeName, "all");
    }

    string Others(LocalRabbit node) => string.Join(", ", Nodes.Where(x => x != node).Select(x => $"'{x.NodeName}'"));

    LocalRabbit AnyBut(LocalRabbit node) => Nodes.First(x => x != node);

    /// <summary>Kills the nodes; their data is not needed any more.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes)
            await node.DisposeAsync();
        await _network.DisposeAsync();
        Dispose();
    }
}
