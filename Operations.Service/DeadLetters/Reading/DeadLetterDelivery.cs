using RabbitMQ.Client;

namespace Operations;

/// <summary>A dead letter as the broker has delivered it.</summary>
/// <param name="Connection">The connection of the visit.</param>
/// <param name="Tag">The delivery tag.</param>
/// <param name="Properties">The properties with all headers.</param>
/// <param name="Body">The body.</param>
sealed record DeadLetterDelivery(IConnection Connection, ulong Tag, BasicProperties Properties,
    ReadOnlyMemory<byte> Body);
