using Saga.Servers;
using Saga.Services;

namespace Saga.Attack;

/// <summary>The kinds of faults, in an order decided by the seed: every kind once before any kind repeats.</summary>
sealed class FaultPlan(OrderSystem system, AttackNetwork network, MessageTamperer messages, TimeSpan reservationTimeout,
    Random random)
{
    const int RepeatedMessages = 40;

    static readonly string[] FaultPoints =
    [
        "before-commit", "after-commit", "after-send", "in-dispatch", "in-recovery", "in-scheduler",
        "in-batch-settlement",
    ];

    static readonly NetworkCondition[] NetworkFaults =
        [NetworkCondition.Cut, NetworkCondition.RequestsHeld, NetworkCondition.ResponsesHeld, NetworkCondition.Slow];

    readonly ServiceFaults _services = new(system, reservationTimeout, random);
    readonly ServerFaults _servers = new(system, random);
    readonly MessageLoss _loss = new(system, random);

    /// <summary>The number of batches that were purged from their queues.</summary>
    public long PurgedBatches => _loss.PurgedBatches;

    /// <summary>Faults of the services' processes, and lost messages; never ends.</summary>
    public IEnumerable<Fault> OnServices() => Fault.Shuffled(
    [
        .. Both("killed", _services.KillAsync),
        .. FaultPoints.Select(x => new Fault($"killed at {x}", () => _services.KillAtAsync(x))),
        .. Both("paused", _services.PauseAsync),
        .. Both("rolling restart", _services.RollingRestartAsync),
        .. Both("clock off by minutes", _services.SkewClockAsync),
        new Fault("migrated again", _services.MigrateAsync),
        .. MessageLoss.Kinds.Select(kind => Fault.Of($"messages lost: {kind}", () => _loss.LoseAsync(kind))),
    ], random);

    /// <summary>Faults of the servers, the network and the messages; never ends.</summary>
    public IEnumerable<Fault> OnServers()
    {
        var faults = new List<Fault>
        {
            Fault.Of("broker: connections closed",
                () => system.Servers.Rabbit.CloseConnectionsAsync(system.VirtualHost)),
            Fault.Of("database: backends terminated", _servers.TerminateBackendsAsync),
            Fault.Of("database: connections exhausted", _servers.ExhaustConnectionsAsync),
            Fault.Of("message repeated, same id",
                () => messages.RepeatAsync(RepeatedMessages, recent: true, newIds: false)),
            Fault.Of("message repeated, new id",
                () => messages.RepeatAsync(RepeatedMessages, recent: true, newIds: true)),
            Fault.Of("message repeated much later",
                () => messages.RepeatAsync(RepeatedMessages, recent: false, newIds: random.Next(2) == 0)),
            Fault.Of("message repeated after an inbox purge", () => messages.RepeatAfterPurgeAsync(RepeatedMessages)),
            Fault.Of("message held back", () => messages.HoldBackAsync(reservationTimeout + TimeSpan.FromSeconds(1))),
        };
        faults.AddRange(NetworkFaults.SelectMany(condition => new[]
        {
            Fault.Of($"network to the database: {Name(condition)}",
                () => ChangeNetworkAsync(x => x.Database, condition)),
            Fault.Of($"network to the broker: {Name(condition)}", () => ChangeNetworkAsync(x => x.Broker, condition)),
        }));
        if (system.Servers.Rabbit is IStoppableBroker rabbit)
            faults.AddRange(
            [
                Fault.Of("broker: killed", () => _servers.RestartAsync(rabbit, Signal.Kill)),
                Fault.Of("broker: paused", () => _servers.PauseAsync(rabbit)),
                Fault.Of("broker: memory alarm", () => _servers.RaiseMemoryAlarmAsync(rabbit)),
            ]);
        if (system.Servers.Postgres is IStoppable postgres)
            faults.AddRange(
            [
                Fault.Of("database: killed", () => _servers.RestartAsync(postgres, Signal.Quit)),
                Fault.Of("database: paused", () => _servers.PauseAsync(postgres)),
            ]);
        return Fault.Shuffled(faults, random);
    }

    IEnumerable<Fault> Both(string kind, Func<IReadOnlyList<ServiceReplica>, Task> injectAsync) =>
    [
        Fault.Of($"Order {kind}", () => injectAsync(system.Orders)),
        Fault.Of($"Account {kind}", () => injectAsync(system.Accounts)),
    ];

    async Task ChangeNetworkAsync(Func<ReplicaNetwork, TcpProxy> proxyOf, NetworkCondition condition)
    {
        var affected = network.Replicas.Where(_ => random.Next(2) == 0).DefaultIfEmpty(network.Replicas[0])
            .Select(proxyOf).ToList();
        affected.ForEach(x => x.Condition = condition);
        await Task.Delay(random.Next(1500, 4000));
        affected.ForEach(x => x.Condition = NetworkCondition.Normal);
    }

    static string Name(NetworkCondition condition) => condition switch
    {
        NetworkCondition.Cut => "cut",
        NetworkCondition.RequestsHeld => "requests held",
        NetworkCondition.ResponsesHeld => "responses held",
        _ => "slow",
    };
}
