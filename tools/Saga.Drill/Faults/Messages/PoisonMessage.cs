using Operations.V1;

namespace Saga.Drill;

/// <summary>Somebody sends bytes that are no message to a queue.</summary>
sealed class PoisonMessage(DrillPlant plant) : DeadLetterFault(plant, DeadLetterKind.Failed, "reserve-funds", "discard")
{
    public override string Name => "poison message";

    public override string Cause => "JsonReaderException";

    public override Task InjectAsync(CancellationToken cancellationToken) =>
        Plant.Broker.PublishAsync(Queue, "\u0000 no message"u8.ToArray());
}
