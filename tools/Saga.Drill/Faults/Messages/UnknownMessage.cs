using Operations.V1;

namespace Saga.Drill;

/// <summary>A message arrives at a queue where no consumer handles its type.</summary>
sealed class UnknownMessage(DrillPlant plant)
    : DeadLetterFault(plant, DeadLetterKind.Skipped, "release-funds", "discard")
{
    public override string Name => "unknown message type";

    public override string Cause => "no consumer of the queue handles its type";

    public override Task InjectAsync(CancellationToken cancellationToken) => Plant.Broker.PublishAsync(Queue,
        """{"messageType":["urn:message:Contracts:LendFunds"],"message":{"amount":1}}"""u8.ToArray());
}
