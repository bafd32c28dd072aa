using Operations.V1;

namespace Saga.Drill;

/// <summary>A handler always fails: a migration by hand has made Account's database reject captures.</summary>
sealed class FailingHandler(DrillPlant plant) : DeadLetterFault(plant, DeadLetterKind.Failed, "capture-funds", "replay")
{
    public override string Name => "handler always fails";

    public override string Cause => "OrderConfirmed failed in capture-funds";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        await Plant.ExecuteAsync(Plant.System.AccountDatabase,
            "alter table reservations add constraint drill check (status <> 'Captured') not valid");
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
    }

    public override Task RemoveCauseAsync(CancellationToken cancellationToken) => Plant.ExecuteAsync(
        Plant.System.AccountDatabase, "alter table reservations drop constraint if exists drill");

    public override async Task CleanUpAsync()
    {
        await RemoveCauseAsync(CancellationToken.None);
        await base.CleanUpAsync();
    }
}
