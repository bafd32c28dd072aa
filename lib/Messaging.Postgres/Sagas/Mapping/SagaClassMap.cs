using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace MassTransit;

/// <summary>Maps a saga with its correlation id as the key; derived classes map the other properties.</summary>
public abstract class SagaClassMap<TSaga> : ISagaClassMap<TSaga> where TSaga : class, ISaga
{
    /// <inheritdoc />
    public Type SagaType => typeof(TSaga);

    /// <inheritdoc />
    public virtual void Configure(ModelBuilder model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var entity = model.Entity<TSaga>();
        ConfigureCorrelationIdKey(entity.HasKey(x => x.CorrelationId));
        entity.Property(x => x.CorrelationId).ValueGeneratedNever();
        Configure(entity, model);
    }

    /// <summary>Maps the other properties of the saga.</summary>
    protected virtual void Configure(EntityTypeBuilder<TSaga> entity, ModelBuilder model)
    {
    }

    /// <summary>Changes the key, for example its name.</summary>
    protected virtual KeyBuilder ConfigureCorrelationIdKey(KeyBuilder keyBuilder) => keyBuilder;
}
