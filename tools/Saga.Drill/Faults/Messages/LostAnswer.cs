namespace Saga.Drill;

/// <summary>The broker loses FundsReserved, the answer of Account, whose funds stay held.</summary>
sealed class LostAnswer(DrillPlant plant) : LostMessageFault(plant, "order-state")
{
    public override string Name => "answer of Account lost";

    public override string Cause => "Account's answer was lost";

    protected override Task WaitForMessageAsync(string orderId, CancellationToken cancellationToken) =>
        Plant.WaitForReservationAsync(orderId, "Held", cancellationToken);

    public override Task<string> MendAsync(string explanation, CancellationToken cancellationToken) =>
        RunAsync(cancellationToken, "redrive", "--older-than", "00:00:05");
}
