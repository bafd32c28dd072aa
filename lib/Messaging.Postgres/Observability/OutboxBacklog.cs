namespace Messaging.Postgres.Observability;

/// <summary>The messages of an outbox that the broker has not confirmed, without scheduled ones.</summary>
/// <param name="Pending">The number of messages that are sent as soon as possible.</param>
/// <param name="OldestAge">The time since the oldest of them was sent or published; zero if there is none.</param>
/// <param name="Parked">The number of messages that are not sent until an operator resets them.</param>
sealed record OutboxBacklog(long Pending, TimeSpan OldestAge, long Parked);
