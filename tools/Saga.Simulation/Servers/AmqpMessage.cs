namespace Saga.Simulation;

/// <summary>What the broker stores, delivers and requeues as one: a message, or a batch for one queue.</summary>
/// <param name="Messages">The message, or the members of the batch.</param>
sealed record AmqpMessage(IReadOnlyList<QueuedMessage> Messages)
{
    public bool IsBatch => Messages.Count > 1;

    /// <summary>The same AMQP message, marked as delivered before.</summary>
    public AmqpMessage AsRedelivered() => new([.. Messages.Select(x => x with { Redelivered = true })]);

    public override string ToString() => string.Join(" + ", Messages.Select(x => x.Content));
}
