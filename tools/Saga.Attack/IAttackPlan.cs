using Saga.Servers;
using Saga.Services;

namespace Saga.Attack;

/// <summary>The servers of an attack, and the faults that it injects.</summary>
interface IAttackPlan : IAsyncDisposable
{
    Task<IServers> StartServersAsync(CancellationToken cancellationToken);

    /// <summary>Changes the options of the system that is attacked.</summary>
    OrderSystemOptions Configure(OrderSystemOptions options, IServers servers);

    /// <summary>Called once, when the system runs and before the first fault.</summary>
    /// <param name="system">The system.</param>
    /// <param name="seed">Decides the order of the faults.</param>
    /// <returns>Sequences of faults that are injected at the same time; they never end.</returns>
    Task<IReadOnlyList<IEnumerable<Fault>>> StartAsync(OrderSystem system, int seed);

    /// <summary>Repairs the servers and the network after the last fault.</summary>
    Task HealAsync(CancellationToken cancellationToken);

    /// <summary>Removes what the attack has added to the servers, before the audit.</summary>
    /// <returns>Numbers for the report, with their names.</returns>
    Task<IReadOnlyList<(string Name, long Count)>> StopAsync();
}
