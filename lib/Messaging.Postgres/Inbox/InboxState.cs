namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>One consumed message of one consumer. Its key is what makes a repeat harmless.</summary>
public class InboxState
{
    /// <summary>The message's id as its sender gave it.</summary>
    public Guid MessageId { get; set; }

    /// <summary>The consumer on its endpoint; two consumers of one message have a row each.</summary>
    public Guid ConsumerId { get; set; }

    /// <summary>When the message's effects were committed, by the database's clock.</summary>
    public DateTime Consumed { get; set; }
}

/// <summary>Not used: see <see cref="EntityFrameworkOutboxConfigurationExtensions.AddOutboxStateEntity" />.</summary>
public class OutboxState
{
    /// <summary>The outbox's id.</summary>
    public Guid OutboxId { get; set; }
}
