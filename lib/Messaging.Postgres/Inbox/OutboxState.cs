namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Not used; see <see cref="EntityFrameworkOutboxConfigurationExtensions.AddOutboxStateEntity" />.</summary>
public class OutboxState
{
    /// <summary>The outbox's id.</summary>
    public Guid OutboxId { get; set; }
}
