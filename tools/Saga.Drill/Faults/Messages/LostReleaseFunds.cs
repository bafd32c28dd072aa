using Orders.V1;

namespace Saga.Drill;

/// <summary>The broker loses ReleaseFunds of a cancelled order, whose funds are then held.</summary>
sealed class LostReleaseFunds(DrillPlant plant) : DrillFault(plant)
{
    const string Reserve = "reserve-funds", Release = "release-funds";

    public override string Name => "ReleaseFunds lost";

    public override string Cause => "ReleaseFunds was lost";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        await Plant.Broker.PauseAsync(Reserve, cancellationToken);
        await Plant.Broker.PauseAsync(Release, cancellationToken);
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
        await Plant.System.OrderClient.CancelOrderAsync(new CancelOrderRequest { OrderId = OrderId },
            cancellationToken: cancellationToken);
        await Plant.WaitForOrderAsync(OrderId, "Cancelling", cancellationToken);
        await Plant.Broker.PurgeAsync(Release);
        await CleanUpAsync();
        await Plant.WaitForReservationAsync(OrderId, "Held", cancellationToken);
    }

    public override Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        FindStuckAsync(cancellationToken);

    public override Task<string> MendAsync(string explanation, CancellationToken cancellationToken) =>
        RunAsync(cancellationToken, "redrive", OrderId!);

    public override async Task CleanUpAsync()
    {
        await Plant.Broker.ResumeAsync(Release);
        await Plant.Broker.ResumeAsync(Reserve);
    }
}
