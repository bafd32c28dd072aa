using MassTransit.Configuration;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Configuration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace MassTransit;

/// <summary>
/// The transactional outbox, with the calls of MassTransit's own Entity Framework package
/// (https://masstransit.io/documentation/patterns/transactional-outbox), on PostgreSQL, with one commit a message.
/// </summary>
public static class EntityFrameworkOutboxConfigurationExtensions
{
    /// <summary>
    /// Adds the outbox and inbox of <typeparamref name="TDbContext" />, whose model must have
    /// <see cref="AddTransactionalOutboxEntities" />. Receive endpoints take part by
    /// <see cref="UseEntityFrameworkOutbox{TDbContext}" />, other code by
    /// <see cref="IEntityFrameworkOutboxConfigurator.UseBusOutbox" />.
    /// </summary>
    public static void AddEntityFrameworkOutbox<TDbContext>(this IBusRegistrationConfigurator configurator,
        Action<IEntityFrameworkOutboxConfigurator>? configure = null)
        where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(configurator);
        var outbox = new OutboxConfigurator<TDbContext>(configurator);
        configure?.Invoke(outbox);
        outbox.Register();
    }

    /// <summary>
    /// Consumes every message of the endpoint in one transaction: the inbox row, what the handler changed in
    /// <typeparamref name="TDbContext" />, and what it sent, published or scheduled become durable together or not
    /// at all; the captured messages are sent after the commit. Put retries before it, so that each has a fresh scope.
    /// </summary>
    public static void UseEntityFrameworkOutbox<TDbContext>(this IReceiveEndpointConfigurator configurator,
        IRegistrationContext context, Action<IOutboxOptionsConfigurator>? configure = null)
        where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(configurator);
        ArgumentNullException.ThrowIfNull(context);
        var observer = new OutboxConsumePipeSpecificationObserver<TDbContext>(configurator, context);
        configure?.Invoke(observer);
        configurator.ConnectConsumerConfigurationObserver(observer);
        configurator.ConnectSagaConfigurationObserver(observer);
    }

    /// <summary>States that the database is PostgreSQL, which is the only one served here.</summary>
    public static IEntityFrameworkOutboxConfigurator UsePostgres(this IEntityFrameworkOutboxConfigurator configurator) =>
        configurator;

    /// <inheritdoc cref="UsePostgres(IEntityFrameworkOutboxConfigurator)" />
    public static IEntityFrameworkOutboxConfigurator UsePostgres(this IEntityFrameworkOutboxConfigurator configurator,
        bool enableSchemaCaching) => configurator;

    /// <summary>Adds <see cref="InboxState" /> and <see cref="OutboxMessage" /> to the model.</summary>
    /// <param name="modelBuilder">The model.</param>
    /// <param name="callback">Called for both entities, for example to choose a schema.</param>
    public static void AddTransactionalOutboxEntities(this ModelBuilder modelBuilder,
        Action<EntityTypeBuilder>? callback = null)
    {
        modelBuilder.AddInboxStateEntity(callback);
        modelBuilder.AddOutboxMessageEntity(callback);
    }

    /// <summary>Adds <see cref="InboxState" /> to the model: what was consumed, and by whom.</summary>
    public static void AddInboxStateEntity(this ModelBuilder modelBuilder,
        Action<EntityTypeBuilder<InboxState>>? callback = null)
    {
        var inbox = modelBuilder.Entity<InboxState>();
        inbox.HasKey(x => new { x.MessageId, x.ConsumerId });
        inbox.HasIndex(x => x.Consumed);
        callback?.Invoke(inbox);
    }

    /// <summary>Adds <see cref="OutboxMessage" /> to the model: what is committed and not known to be sent yet.</summary>
    public static void AddOutboxMessageEntity(this ModelBuilder modelBuilder,
        Action<EntityTypeBuilder<OutboxMessage>>? callback = null)
    {
        var outbox = modelBuilder.Entity<OutboxMessage>();
        outbox.HasKey(x => x.Id);
        outbox.Property(x => x.Id).ValueGeneratedNever();
        outbox.HasIndex(x => x.EnqueueTime);
        outbox.HasIndex(x => x.TokenId);
        callback?.Invoke(outbox);
    }

    /// <summary>
    /// Kept so that models written for MassTransit's package compile: this outbox has no state beside its messages,
    /// and adds no table.
    /// </summary>
    public static void AddOutboxStateEntity(this ModelBuilder modelBuilder,
        Action<EntityTypeBuilder<OutboxState>>? callback = null) => ArgumentNullException.ThrowIfNull(modelBuilder);
}
