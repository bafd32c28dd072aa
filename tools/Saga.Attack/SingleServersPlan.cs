using Saga.Servers;
using Saga.Services;

namespace Saga.Attack;

/// <summary>
/// Faults of all parts of a system on one database server and one broker: the services, the servers, the network
/// between them, and the messages.
/// </summary>
/// <param name="reservationTimeout">The reservation timeout of the services.</param>
sealed class SingleServersPlan(TimeSpan reservationTimeout) : IAttackPlan
{
    readonly AttackNetwork _network = new();
    OrderSystem? _system;
    MessageTamperer? _messages;
    FaultPlan? _plan;

    public Task<IServers> StartServersAsync(CancellationToken cancellationToken) =>
        ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);

    public OrderSystemOptions Configure(OrderSystemOptions options, IServers servers) =>
        options with { Adjust = settings => _network.Connect(servers, settings) };

    public async Task<IReadOnlyList<IEnumerable<Fault>>> StartAsync(OrderSystem system, int seed)
    {
        var postgres = system.Servers.Postgres;
        _system = system;
        _messages = new MessageTamperer(new Uri(system.Servers.Rabbit.Amqp(system.VirtualHost)),
            [postgres.Admin(system.OrderDatabase), postgres.Admin(system.AccountDatabase)], new Random(seed + 1));
        await _messages.StartAsync();
        _plan = new FaultPlan(system, _network, _messages, reservationTimeout, new Random(seed));
        return [_plan.OnServices(), _plan.OnServers()];
    }

    public async Task HealAsync(CancellationToken cancellationToken)
    {
        _network.Heal();
        await _system!.Servers.Rabbit.DeletePolicyAsync(_system.VirtualHost, MessageLoss.Policy);
        if (_system.Servers.Rabbit is IStoppableBroker broker)
            await broker.SetMemoryAlarmAsync(false);
    }

    public async Task<IReadOnlyList<(string Name, long Count)>> StopAsync()
    {
        var deadLetters = await _messages!.StopAsync();
        await _messages.DisposeAsync();
        return
        [
            ("dead letters that nobody has read", deadLetters),
            ("messages repeated by the attack", _messages.Duplicates),
            ("batches repeated by the attack", _messages.DuplicatedBatches),
            ("batches purged by the attack", _plan!.PurgedBatches),
            ("messages held back by the attack", _messages.HeldBack),
        ];
    }

    public ValueTask DisposeAsync() => _network.DisposeAsync();
}
