namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// A replica that sends messages. It counts heartbeats while it lives; when the count does not change any more, others
/// send the rest.
/// </summary>
public class OutboxState
{
    /// <summary>The replica, from its start to its end: the owner of the messages that it sends.</summary>
    public Guid OutboxId { get; set; }

    /// <summary>The number of its heartbeats.</summary>
    public long Heartbeats { get; set; }
}
