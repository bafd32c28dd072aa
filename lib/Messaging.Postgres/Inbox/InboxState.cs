namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A message that a consumer has consumed. Its unique key makes a duplicate harmless.</summary>
public class InboxState
{
    /// <summary>The id that the sender gave the message.</summary>
    public Guid MessageId { get; set; }

    /// <summary>The consumer and its endpoint; two consumers of one message have one row each.</summary>
    public Guid ConsumerId { get; set; }

    /// <summary>The time at which the message's effects were committed, by the database's clock.</summary>
    public DateTime Consumed { get; set; }
}
