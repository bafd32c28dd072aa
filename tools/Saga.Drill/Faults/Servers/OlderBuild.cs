namespace Saga.Drill;

/// <summary>
/// A replica is of an older build than the one that has written an order: it does not know the order's state.
/// </summary>
sealed class OlderBuild(DrillPlant plant) : DrillFault(plant)
{
    const string Queue = "order-state";

    public override string Name => "build of Order behind";

    public override string Cause => "A newer build of Order has written the state Shipping";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        await Plant.Broker.PauseAsync(Queue, cancellationToken);
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
        await Plant.WaitForReservationAsync(OrderId, "Held", cancellationToken);
        await SetStateAsync("Reserving", "Shipping");
        await Plant.Broker.ResumeAsync(Queue, cancellationToken);
    }

    Task SetStateAsync(string from, string to) => Plant.ExecuteAsync(Plant.System.OrderDatabase,
        $"update orders set current_state = '{to}' where order_id = '{OrderId}' and current_state = '{from}'");

    public override async Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        (await Plant.ListStuckAsync(cancellationToken)).Holds.Any(x => x.OrderIds.Contains(OrderId))
            ? "stuck: a hold" : null;

    /// <summary>The newer build takes the order back to a state that both know.</summary>
    public override async Task<string> MendAsync(string explanation, CancellationToken cancellationToken)
    {
        await CleanUpAsync();
        return "upgrade of Order finished";
    }

    public override async Task CleanUpAsync()
    {
        await SetStateAsync("Shipping", "Reserving");
        await Plant.Broker.ResumeAsync(Queue);
    }
}
