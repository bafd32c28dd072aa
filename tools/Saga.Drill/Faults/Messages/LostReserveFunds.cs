namespace Saga.Drill;

/// <summary>The broker loses ReserveFunds, with everything else in its queue.</summary>
sealed class LostReserveFunds(DrillPlant plant) : LostMessageFault(plant, "reserve-funds")
{
    public override string Name => "ReserveFunds lost";

    public override string Cause => "ReserveFunds was lost";
}
