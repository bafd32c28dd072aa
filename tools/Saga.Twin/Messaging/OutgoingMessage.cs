namespace Saga.Twin;

/// <summary>A message in the outbox.</summary>
/// <param name="Id">The id by which the receiver recognises duplicates.</param>
/// <param name="Queue">The queue that receives it.</param>
/// <param name="Body">The message as JSON.</param>
readonly record struct OutgoingMessage(Guid Id, string Queue, byte[] Body);
