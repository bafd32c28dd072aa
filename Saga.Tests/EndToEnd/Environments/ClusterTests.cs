using Saga.Attack;
using Saga.Audit;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Environments;

/// <summary>
/// The broker is a cluster of three nodes, each database a primary with a synchronous standby. Orders are placed while
/// one server is lost, or roles change; afterwards everything is checked as after an attack.
/// </summary>
[TestFixture, Category("Long")]
public sealed class When_a_server_of_a_cluster_is_lost
{
    const double OrdersPerSecond = 15;

    static readonly TimeSpan MaxSettleTime = TimeSpan.FromSeconds(60);

    static readonly string[] DatabaseKinds =
    [
        "primary killed", "primary killed while the standby lags", "primary paused", "switchover", "standby killed",
        "standby paused",
    ];

    static readonly string[] Kinds =
    [
        "broker: leaders moved", "broker: node killed", "broker: node separated", "broker: node paused",
        "broker: node lost its disk", "broker: rolling restart", "etcd: killed",
        .. DatabaseKinds.Select(x => $"Order's database: {x}"),
        .. DatabaseKinds.Select(x => $"Account's database: {x}"),
    ];

    ClusterServers _servers = null!;
    OrderSystem _system = null!;
    History _history = null!;
    AttackClients _clients = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        if (ClusterServers.Missing() is { } missing)
            throw new IgnoreException(missing);
        _servers = await ClusterServers.StartAsync(default);
        _system = await OrderSystem.StartAsync(_servers, ClusterPlan.Configure(new OrderSystemOptions
        {
            Suffix = "_cluster",
            OrderReplicas = 2,
            AccountReplicas = 2,
        }));
        _history = new History(Path.Combine(_servers.Folder.Path, "cluster.jsonl"));
        _clients = new AttackClients(_system, _history, new Random(1));
        await _clients.OpenAccountsAsync();
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        _history?.Dispose();
        if (_system != null!)
            await _system.DisposeAsync();
        if (_servers != null!)
            await _servers.DisposeAsync();
    }

    [Test]
    public void Should_test_every_kind_of_the_attack() => Assert.That(Kinds,
        Is.EquivalentTo(ClusterPlan.FaultsOf(_servers, new Random(1)).Select(x => x.Kind)));

    [TestCaseSource(nameof(Kinds))]
    public async Task Should_serve_again_in_time_and_lose_nothing(string kind)
    {
        var injector = new FaultInjector(_clients, _history, faultsOverlap: false);
        using var end = new CancellationTokenSource();
        var load = _clients.RunAsync(OrdersPerSecond, end.Token);
        try
        {
            await injector.RunAsync(ClusterPlan.FaultsOf(_servers, Random.Shared).Where(x => x.Kind == kind), default);
        }
        finally
        {
            await end.CancelAsync();
            await load;
        }

        var fault = injector.Faults.Single();
        await TestContext.Progress.WriteLineAsync($"{kind}: repaired after {fault.RepairedAt - fault.At:F1} s, "
            + $"the first order took {fault.Recovery?.TotalSeconds:F1} s");
        Assert.That(fault.IsTooSlow, Is.False, $"the first order took {fault.Recovery}");
        var audit = await Auditor.Of(_system).AuditAsync(MaxSettleTime, default);
        Assert.That(audit.Violations, Is.Empty);
        Assert.That(await new HistoryChecker(_history.Read(), _servers.OrderPostgres.Admin(_system.OrderDatabase),
            _servers.AccountPostgres.Admin(_system.AccountDatabase)).CheckAsync(), Is.Empty);
    }
}
