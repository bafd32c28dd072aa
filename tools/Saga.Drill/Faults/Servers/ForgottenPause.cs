using Saga.Services;

namespace Saga.Drill;

/// <summary>An operator has paused a queue and forgotten it.</summary>
sealed class ForgottenPause(DrillPlant plant) : DrillFault(plant)
{
    const string Queue = "reserve-funds";

    public override string Name => "pause forgotten";

    public override string Cause => $"The queue {Queue} was paused by {BearerCredentials.Subject} for drill";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        await RunAsync(cancellationToken, "pause", Queue);
        await Plant.Broker.WaitUntilPausedAsync(Queue, cancellationToken);
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
    }

    public override async Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        (await Plant.ListQueuesAsync(cancellationToken)).Queues.Any(x => x is { Name: Queue, Pause: not null })
            ? $"queues: {Queue} is paused" : null;

    public override Task<string> MendAsync(string explanation, CancellationToken cancellationToken) =>
        RunAsync(cancellationToken, "resume", Queue);

    public override Task CleanUpAsync() => Plant.Broker.ResumeAsync(Queue);
}
