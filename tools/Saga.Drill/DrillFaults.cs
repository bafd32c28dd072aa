using Saga.Servers;

namespace Saga.Drill;

/// <summary>The faults of the drill.</summary>
static class DrillFaults
{
    /// <summary>All faults, in their order.</summary>
    /// <exception cref="InvalidOperationException">The broker's alarms cannot be raised.</exception>
    public static IReadOnlyList<DrillFault> Of(DrillPlant plant) =>
    [
        new LostReserveFunds(plant), new LostReleaseFunds(plant), new LostAnswer(plant),
        new PoisonMessage(plant), new UnknownMessage(plant), new FailingHandler(plant), new ParkedMessage(plant),
        new ForgottenPause(plant), new DeletedQueue(plant), new LockedAccount(plant), new OrphanedHold(plant),
        new OlderBuild(plant), new ServiceDown(plant, "Account", plant.System.Accounts),
        new ServiceDown(plant, "Order", plant.System.Orders), new FullBroker(plant, BrokerOf(plant)),
    ];

    static IStoppableBroker BrokerOf(DrillPlant plant) => plant.System.Servers.Rabbit as IStoppableBroker
        ?? throw new InvalidOperationException("the drill needs a broker whose alarms it may raise: "
            + "set ORDERSAGA_SERVERS to docker or local");
}
