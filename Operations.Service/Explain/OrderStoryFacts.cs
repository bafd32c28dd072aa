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
    IReadOnlyList<DeadLetterMessage> Letters, IReadOnlyList<BrokerQueue> Queues, DateTime Now)
{
    /// <summary>Whether Order has answered; otherwise <see cref="Order" /> is unknown.</summary>
    public bool IsOrderReached { get; init; } = true;

    /// <summary>Whether Account has answered; otherwise <see cref="Reservation" /> is unknown.</summary>
    public bool IsAccountReached { get; init; } = true;

    /// <summary>Whether the broker has answered; otherwise its queues and dead letters are unknown.</summary>
    public bool IsBrokerReached { get; init; } = true;

    /// <summary>The alarms of the broker.</summary>
    public IReadOnlyList<string> Alarms { get; init; } = [];

    /// <summary>The messages about the order that have not left an outbox.</summary>
    public IEnumerable<PendingMessage> Unsent => (Order?.PendingMessages ?? []).Concat(Reservation.PendingMessages)
        .Where(x => x.State == PendingMessage.Types.State.Unsent);
}
