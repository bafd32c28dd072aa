using Operations.V1;

namespace Operations;

/// <summary>Everything that is known about an order.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Order">What Order knows, or null.</param>
/// <param name="Reservation">What Account knows.</param>
/// <param name="Letters">The dead letters about the order.</param>
/// <param name="Queues">The queues of both services.</param>
/// <param name="Now">The time.</param>
sealed record OrderStoryFacts(Guid OrderId, OrderStory? Order, ReservationStory Reservation,
    IReadOnlyList<DeadLetterMessage> Letters, IReadOnlyList<BrokerQueue> Queues, DateTime Now);
