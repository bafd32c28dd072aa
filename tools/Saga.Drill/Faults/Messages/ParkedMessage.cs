using Operations.V1;
using Wait = Saga.Servers.Wait;

namespace Saga.Drill;

/// <summary>
/// The broker has refused a message for a day, because its queue was full, and the outbox has given up.
/// </summary>
sealed class ParkedMessage(DrillPlant plant) : DeadLetterFault(plant, DeadLetterKind.Parked, "reserve-funds", "replay")
{
    public override string Name => "parked message";

    public override string Cause => "The broker has refused ReserveFunds";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        // The policy would delete the messages that are in the queue when it is applied.
        using var pause = await Plant.PauseLoadAsync(cancellationToken);
        await Plant.Broker.PauseAsync(Queue, cancellationToken); // a consumer would receive messages at once
        await Plant.Broker.RejectAsync(Queue);
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
        // The day passes.
        await Wait.UntilAsync(async () => await Plant.CountAsync(Plant.System.OrderDatabase, $"""
            with parked as (update outbox_message set parked = now()
                where body like '%{OrderId}%' and message_type like '%ReserveFunds%' and attempts > 0 returning 1)
            select count(*) from parked
            """) > 0, TimeSpan.FromSeconds(30), () => "the broker to refuse the message", cancellationToken);
        await CleanUpAsync();
    }

    public override async Task CleanUpAsync()
    {
        await Plant.Broker.AcceptAsync(Queue);
        await Plant.Broker.ResumeAsync(Queue);
        await base.CleanUpAsync();
    }
}
