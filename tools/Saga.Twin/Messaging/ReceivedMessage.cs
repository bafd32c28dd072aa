namespace Saga.Twin;

/// <summary>A delivery of a message.</summary>
/// <param name="Id">The message's id, the same in every delivery.</param>
/// <param name="Message">The message.</param>
/// <param name="DeliveryTag">The delivery's number in its channel, for the acknowledgement.</param>
readonly record struct ReceivedMessage<T>(Guid Id, T Message, ulong DeliveryTag);
