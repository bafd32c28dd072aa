namespace Saga.Simulation;

/// <summary>A message in a queue.</summary>
/// <param name="MessageId">The message id, which a duplicate shares.</param>
/// <param name="Content">The message.</param>
/// <param name="Token">The token of a scheduled message, or null.</param>
sealed record QueuedMessage(Guid MessageId, object Content, Guid? Token)
{
    /// <summary>Whether an earlier delivery was not acknowledged.</summary>
    public bool Redelivered { get; init; }
}
