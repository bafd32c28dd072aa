namespace Saga.Drill;

/// <summary>The broker loses ReserveFunds, with everything else in its queue.</summary>
sealed class LostReserveFunds(DrillPlant plant) : DrillFault(plant)
{
    const string Queue = "reserve-funds";

    public override string Name => "ReserveFunds lost";

    public override string Cause => "ReserveFunds was lost";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        await Plant.Broker.PauseAsync(Queue, cancellationToken);
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
        await Plant.WaitForOrderAsync(OrderId, "Reserving", cancellationToken);
        await Plant.Broker.PurgeAsync(Queue);
        await Plant.Broker.ResumeAsync(Queue, cancellationToken);
    }

    public override Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        FindStuckAsync(cancellationToken);

    public override Task<string> MendAsync(string explanation, CancellationToken cancellationToken) =>
        RunAsync(cancellationToken, "redrive", "--queue", Queue, "--older-than", "00:00:05");

    public override Task CleanUpAsync() => Plant.Broker.ResumeAsync(Queue);
}
