namespace Saga.Drill;

/// <summary>A message of an order is lost while its queue is paused.</summary>
/// <param name="plant">The system.</param>
/// <param name="queue">The queue.</param>
abstract class LostMessageFault(DrillPlant plant, string queue) : DrillFault(plant)
{
    /// <summary>The queue.</summary>
    protected string Queue => queue;

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        await Plant.Broker.PauseAsync(Queue, cancellationToken);
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
        await WaitForMessageAsync(OrderId, cancellationToken);
        await LoseAsync(cancellationToken);
        await Plant.Broker.ResumeAsync(Queue, cancellationToken);
    }

    /// <summary>Waits until the message of an order is on its way to the queue.</summary>
    protected virtual Task WaitForMessageAsync(string orderId, CancellationToken cancellationToken) =>
        Plant.WaitForOrderAsync(orderId, "Reserving", cancellationToken);

    /// <summary>Makes the broker lose what is in the queue.</summary>
    protected virtual Task LoseAsync(CancellationToken cancellationToken) => Plant.Broker.PurgeAsync(Queue);

    public override Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        FindStuckAsync(cancellationToken);

    public override Task<string> MendAsync(string explanation, CancellationToken cancellationToken) =>
        RunAsync(cancellationToken, "redrive", "--queue", Queue, "--older-than", "00:00:05");

    public override Task CleanUpAsync() => Plant.Broker.ResumeAsync(Queue);
}
