namespace Saga.Drill;

/// <summary>Somebody deletes a queue with its messages. The service declares it again within seconds.</summary>
sealed class DeletedQueue(DrillPlant plant) : DrillFault(plant)
{
    const string Queue = "reserve-funds";

    public override string Name => "queue deleted";

    public override string Cause => "ReserveFunds was lost";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        await Plant.Broker.PauseAsync(Queue, cancellationToken);
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
        await Plant.WaitForOrderAsync(OrderId, "Reserving", cancellationToken);
        await Plant.Broker.DeleteAsync(Queue);
        await Plant.Broker.WaitForAsync(Queue, cancellationToken);
        await Plant.Broker.ResumeAsync(Queue, cancellationToken);
    }

    public override Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        FindStuckAsync(cancellationToken);

    public override Task<string> MendAsync(string explanation, CancellationToken cancellationToken) =>
        RunAsync(cancellationToken, "redrive", "--queue", Queue, "--older-than", "00:00:05");

    public override Task CleanUpAsync() => Plant.Broker.ResumeAsync(Queue);
}
