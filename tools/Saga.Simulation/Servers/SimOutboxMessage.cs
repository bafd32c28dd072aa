using MassTransit.EntityFrameworkCoreIntegration;

namespace Saga.Simulation;

/// <summary>An outbox row that holds the message as an object instead of its serialised text.</summary>
sealed class SimOutboxMessage : OutboxMessage
{
    public required object Content { get; init; }

    public SimOutboxMessage Copy() => (SimOutboxMessage)MemberwiseClone();
}
