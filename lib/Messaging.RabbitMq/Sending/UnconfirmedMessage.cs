using RabbitMQ.Client;

namespace Messaging.RabbitMq;

/// <summary>A message on its way to the broker; its task completes when the broker has confirmed it.</summary>
class UnconfirmedMessage(CachedString exchange, bool mandatory, BasicProperties properties,
    ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public CachedString Exchange => exchange;
    public bool Mandatory => mandatory;
    public BasicProperties Properties => properties;
    public ReadOnlyMemory<byte> Body => body;
    public CancellationToken CancellationToken => cancellationToken;

    /// <summary>The exchange of batches that the message can be sent in; null if it must be sent alone.</summary>
    public CachedString? BatchExchange { get; set; }

    /// <summary>Completes the task.</summary>
    /// <param name="error">The reason of a failure, or null if the broker has confirmed the message.</param>
    public virtual void End(Exception? error)
    {
        if (error == null)
            TrySetResult();
        else
            TrySetException(error);
    }
}
