using Saga.Servers;

namespace Saga.Drill;

/// <summary>The broker's memory is full, and it blocks publishers.</summary>
/// <param name="plant">The system.</param>
/// <param name="broker">The broker.</param>
sealed class FullBroker(DrillPlant plant, IStoppableBroker broker) : DrillFault(plant)
{
    public override string Name => "broker full";

    public override string Cause => "RabbitMQ has raised an alarm (memory alarm on";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        await broker.SetMemoryAlarmAsync(true);
        OrderId = await Plant.PlaceOrderAsync(cancellationToken);
    }

    public override async Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        (await Plant.ListQueuesAsync(cancellationToken)).Alarms is { Count: > 0 } alarms
            ? $"queues: {alarms[0]}" : null;

    public override async Task<string> MendAsync(string explanation, CancellationToken cancellationToken)
    {
        await CleanUpAsync();
        return "memory for the broker";
    }

    public override Task CleanUpAsync() => broker.SetMemoryAlarmAsync(false);
}
