namespace Saga.Drill;

/// <summary>The broker loses FundsReserved, the answer of Account, whose funds stay held.</summary>
sealed class LostAnswer(DrillPlant plant) : DrillFault(plant)
{
    const string Queue = "order-state";

    public override string Name => "answer of Account lost";

    public override string Cause => "Account's answer was lost";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        await Plant.Broker.PauseAsync(Queue, cancellationToken);
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
        await Plant.WaitForReservationAsync(OrderId, "Held", cancellationToken);
        await Plant.Broker.PurgeAsync(Queue);
        await Plant.Broker.ResumeAsync(Queue, cancellationToken);
    }

    public override Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        FindStuckAsync(cancellationToken);

    public override Task<string> MendAsync(string explanation, CancellationToken cancellationToken) =>
        RunAsync(cancellationToken, "redrive", "--older-than", "00:00:05");

    public override Task CleanUpAsync() => Plant.Broker.ResumeAsync(Queue);
}
