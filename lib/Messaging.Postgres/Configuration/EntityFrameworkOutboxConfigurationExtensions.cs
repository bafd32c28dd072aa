using MassTransit.Configuration;
using MassTransit.DependencyInjection;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Configuration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace MassTransit;

/// <summary>
/// Registers the transactional outbox and inbox, with the same calls as MassTransit's own Entity Framework package
/// (https://masstransit.io/documentation/patterns/transactional-outbox). Each message costs one commit, or with
/// <see cref="IEntityFrameworkOutboxConfigurator.GroupCommits" /> a share of one.
/// </summary>
public static class EntityFrameworkOutboxConfigurationExtensions
{
    /// <summary>
    /// Adds the outbox and inbox of <typeparamref name="TDbContext" />, whose model must have
    /// <see cref="AddTransactionalOutboxEntities" />. Receive endpoints use it with UseEntityFrameworkOutbox, and
    /// other code with <see cref="IEntityFrameworkOutboxConfigurator.UseBusOutbox" />.
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
    /// Consumes every message of the endpoint in one transaction: the inbox row, the handler's changes in
    /// <typeparamref name="TDbContext" />, and the messages that it sent, published or scheduled become durable
    /// together or not at all. The messages are sent after the commit. Configure retries before it, so that each retry
    /// has a new scope.
    /// </summary>
    public static void UseEntityFrameworkOutbox<TDbContext>(this IReceiveEndpointConfigurator configurator,
        IRegistrationContext context, Action<IOutboxOptionsConfigurator>? configure = null)
        where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(configurator);
        ArgumentNullException.ThrowIfNull(context);
        configurator.Connect(new OutboxConsumePipeSpecificationObserver<TDbContext>(configurator, context), configure);
    }

    /// <summary>
    /// Gives messages ids that PostgreSQL sorts by time, so that inserts go to the end of the inbox index. PostgreSQL
    /// does not sort MassTransit's own ids by time. An id that is set in the pipe of a send or publish is kept; an id
    /// that a message initializer sets (<c>__MessageId</c>) is kept only if an outbox captures the message.
    /// </summary>
    public static void UseSequentialMessageIds(this IBusFactoryConfigurator configurator)
    {
        ArgumentNullException.ThrowIfNull(configurator);
        configurator.ConfigureSend(send => send.UseExecute(SetId));
        configurator.ConfigurePublish(publish => publish.UseExecute(SetId));

        static void SetId(SendContext context) => context.MessageId = NewId.NextSequentialGuid();
    }

    /// <summary>Like the overload with an IRegistrationContext.</summary>
    [Obsolete("Use the overload with an IRegistrationContext: https://masstransit.io/obsolete")]
    public static void UseEntityFrameworkOutbox<TDbContext>(this IReceiveEndpointConfigurator configurator,
        IServiceProvider provider, Action<IOutboxOptionsConfigurator>? configure = null)
        where TDbContext : DbContext
    {
        ArgumentNullException.ThrowIfNull(configurator);
        ArgumentNullException.ThrowIfNull(provider);
        configurator.Connect(new OutboxConsumePipeSpecificationObserver<TDbContext>(configurator, provider,
            LegacySetScopedConsumeContext.Instance), configure);
    }

    static void Connect<TDbContext>(this IReceiveEndpointConfigurator configurator,
        OutboxConsumePipeSpecificationObserver<TDbContext> observer, Action<IOutboxOptionsConfigurator>? configure)
        where TDbContext : DbContext
    {
        configure?.Invoke(observer);
        configurator.ConnectConsumerConfigurationObserver(observer);
        configurator.ConnectSagaConfigurationObserver(observer);
    }

    /// <summary>Uses PostgreSQL, which is the only database that this library supports.</summary>
    public static IEntityFrameworkOutboxConfigurator UsePostgres(
        this IEntityFrameworkOutboxConfigurator configurator) => configurator;

    /// <inheritdoc cref="UsePostgres(IEntityFrameworkOutboxConfigurator)" />
    public static IEntityFrameworkOutboxConfigurator UsePostgres(this IEntityFrameworkOutboxConfigurator configurator,
        bool enableSchemaCaching) => configurator;

    /// <summary>
    /// Adds <see cref="InboxState" />, <see cref="OutboxMessage" /> and <see cref="OutboxState" /> to the model.
    /// </summary>
    /// <param name="modelBuilder">The model to extend.</param>
    /// <param name="callback">Called for each entity, for example to choose a schema.</param>
    public static void AddTransactionalOutboxEntities(this ModelBuilder modelBuilder,
        Action<EntityTypeBuilder>? callback = null)
    {
        modelBuilder.AddInboxStateEntity(callback);
        modelBuilder.AddOutboxMessageEntity(callback);
        modelBuilder.AddOutboxStateEntity(callback);
    }

    /// <summary>Adds <see cref="InboxState" /> to the model: the messages that were consumed.</summary>
    public static void AddInboxStateEntity(this ModelBuilder modelBuilder,
        Action<EntityTypeBuilder<InboxState>>? callback = null)
    {
        ArgumentNullException.ThrowIfNull(modelBuilder);
        var inbox = modelBuilder.Entity<InboxState>();
        inbox.ConfigureInboxStateEntity();
        callback?.Invoke(inbox);
    }

    /// <summary>Keys and indexes of <see cref="InboxState" />, for models that add the entity themselves.</summary>
    public static void ConfigureInboxStateEntity(this EntityTypeBuilder<InboxState> inbox)
    {
        ArgumentNullException.ThrowIfNull(inbox);
        inbox.HasKey(x => new { x.MessageId, x.ConsumerId });
        inbox.HasIndex(x => x.Consumed);
        inbox.Property(x => x.Consumed).IsUtc();
    }

    /// <summary>
    /// Adds <see cref="OutboxMessage" /> to the model: the committed messages that are not confirmed.
    /// </summary>
    public static void AddOutboxMessageEntity(this ModelBuilder modelBuilder,
        Action<EntityTypeBuilder<OutboxMessage>>? callback = null)
    {
        ArgumentNullException.ThrowIfNull(modelBuilder);
        var outbox = modelBuilder.Entity<OutboxMessage>();
        outbox.ConfigureOutboxMessageEntity();
        callback?.Invoke(outbox);
    }

    /// <summary>Keys and indexes of <see cref="OutboxMessage" />, for models that add the entity themselves.</summary>
    public static void ConfigureOutboxMessageEntity(this EntityTypeBuilder<OutboxMessage> outbox)
    {
        ArgumentNullException.ThrowIfNull(outbox);
        outbox.HasKey(x => x.Id);
        outbox.Property(x => x.Id).ValueGeneratedNever();
        outbox.HasIndex(x => x.EnqueueTime);
        outbox.HasIndex(x => x.TokenId);
        outbox.Property(x => x.SentTime).IsUtc();
        outbox.Property(x => x.EnqueueTime).IsUtc();
        outbox.Property(x => x.ExpirationTime).IsUtc();
        outbox.Property(x => x.Parked).IsUtc();
    }

    /// <summary>
    /// Stores a time with its zone and reads it as UTC. With Npgsql.EnableLegacyTimestampBehavior, Npgsql would store
    /// and read local times.
    /// </summary>
    static void IsUtc<T>(this PropertyBuilder<T> time) => time.HasColumnType("timestamp with time zone")
        .HasConversion(new ValueConverter<DateTime, DateTime>(x => x, x => x.ToUniversalTime()));

    /// <summary>
    /// Adds <see cref="OutboxState" /> to the model: the replicas that send the committed messages.
    /// </summary>
    public static void AddOutboxStateEntity(this ModelBuilder modelBuilder,
        Action<EntityTypeBuilder<OutboxState>>? callback = null)
    {
        ArgumentNullException.ThrowIfNull(modelBuilder);
        var state = modelBuilder.Entity<OutboxState>();
        state.ConfigureOutboxStateEntity();
        callback?.Invoke(state);
    }

    /// <summary>The key of <see cref="OutboxState" />, for models that add the entity themselves.</summary>
    public static void ConfigureOutboxStateEntity(this EntityTypeBuilder<OutboxState> outbox)
    {
        ArgumentNullException.ThrowIfNull(outbox);
        outbox.HasKey(x => x.OutboxId);
        outbox.Property(x => x.OutboxId).ValueGeneratedNever();
    }
}
