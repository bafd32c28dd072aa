namespace Saga.Simulation;

/// <summary>A message in a queue.</summary>
/// <param name="MessageId">The message id, which a duplicate shares.</param>
/// <param name="Content">The message.</param>
/// <param name="Token">The token of a scheduled message, or null.</param>
sealed record QueuedMessage(Guid MessageId, object Content, Guid? Token)
{
    /// <summary>The id of the batch that the message is in; null for a message that is sent alone.</summary>
    public Guid? BatchId { get; init; }

    /// <summary>Whether an earlier delivery was not acknowledged.</summary>
    public bool Redelivered { get; init; }
}
