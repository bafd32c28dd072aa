using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Maps one saga type.</summary>
public interface ISagaClassMap
{
    /// <summary>The saga type.</summary>
    Type SagaType { get; }

    /// <summary>Adds the saga's entity to the model.</summary>
    void Configure(ModelBuilder model);
}

/// <inheritdoc />
public interface ISagaClassMap<TSaga> : ISagaClassMap where TSaga : class, ISaga
{
}
