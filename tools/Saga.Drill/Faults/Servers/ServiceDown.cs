using Saga.Services;

namespace Saga.Drill;

/// <summary>All replicas of a service are down.</summary>
/// <param name="plant">The system.</param>
/// <param name="name">Order or Account.</param>
/// <param name="replicas">Its replicas.</param>
sealed class ServiceDown(DrillPlant plant, string name, IReadOnlyList<ServiceReplica> replicas) : DrillFault(plant)
{
    public override string Name => $"{name} down";

    public override string Cause => $"No answer from {name}";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        await Plant.Broker.PauseAsync("reserve-funds", cancellationToken); // the order does not end before
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
        await Plant.Broker.ResumeAsync("reserve-funds", cancellationToken);
        foreach (var replica in replicas)
            await replica.KillAsync();
    }

    public override async Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        (await Plant.ListStuckAsync(cancellationToken)).Missing.Any(x => x.Source == name)
            ? $"stuck: {name} is missing" : null;

    public override async Task<string> MendAsync(string explanation, CancellationToken cancellationToken)
    {
        await CleanUpAsync();
        return $"{name} started";
    }

    public override async Task CleanUpAsync()
    {
        foreach (var replica in replicas.Where(x => x.HasExited))
        {
            replica.Start();
            await replica.WaitUntilReadyAsync();
        }
    }
}
