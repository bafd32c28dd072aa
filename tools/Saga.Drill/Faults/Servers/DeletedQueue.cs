namespace Saga.Drill;

/// <summary>Somebody deletes a queue with its messages. The service declares it again within seconds.</summary>
sealed class DeletedQueue(DrillPlant plant) : LostMessageFault(plant, "reserve-funds")
{
    public override string Name => "queue deleted";

    public override string Cause => "ReserveFunds was lost";

    protected override async Task LoseAsync(CancellationToken cancellationToken)
    {
        await Plant.Broker.DeleteAsync(Queue);
        await Plant.Broker.WaitForAsync(Queue, cancellationToken);
    }
}
