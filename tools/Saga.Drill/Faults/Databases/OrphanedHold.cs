namespace Saga.Drill;

/// <summary>
/// Order's database is restored from a backup that is older than an order, whose funds Account holds. The broker has
/// lost its messages, too, so that nothing asks for the funds any more.
/// </summary>
sealed class OrphanedHold(DrillPlant plant) : DrillFault(plant)
{
    const string Queue = "capture-funds";

    public override string Name => "Order restored from a backup";

    public override string Cause => "ops release-hold";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        using var pause = await Plant.PauseLoadAsync(cancellationToken); // only this order is lost
        await Plant.Broker.PauseAsync(Queue, cancellationToken);
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
        await Plant.WaitForOrderAsync(OrderId, "Confirmed", cancellationToken);
        await Plant.WaitForReservationAsync(OrderId, "Held", cancellationToken);
        await Plant.System.Orders[0].StopAsync();
        await Plant.ExecuteAsync(Plant.System.OrderDatabase, $"""
            set session_replication_role = replica; -- without the trigger that keeps the history
            delete from order_transitions where order_id = '{OrderId}';
            delete from outbox_message where body like '%{OrderId}%';
            delete from orders where order_id = '{OrderId}';
            """);
        await Plant.Broker.PurgeAsync(Queue);
        await CleanUpAsync();
    }

    public override async Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        (await Plant.ListMismatchesAsync(cancellationToken)).FirstOrDefault(x => x.SubjectId == OrderId) is { } found
            ? $"reconcile: {found.Kind}" : null;

    public override Task<string> MendAsync(string explanation, CancellationToken cancellationToken) =>
        RunAsync(cancellationToken, "release-hold", OrderId!);

    public override async Task CleanUpAsync()
    {
        if (Plant.System.Orders[0].HasExited)
        {
            Plant.System.Orders[0].Start();
            await Plant.System.Orders[0].WaitUntilReadyAsync();
        }

        await Plant.Broker.ResumeAsync(Queue);
    }
}
