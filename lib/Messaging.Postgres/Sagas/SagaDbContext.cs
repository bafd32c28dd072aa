using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A DbContext whose model is a list of saga class maps.</summary>
public abstract class SagaDbContext : DbContext
{
    /// <summary>Passes the options on.</summary>
    protected SagaDbContext(DbContextOptions options) : base(options)
    {
    }

    /// <summary>One map for each saga type.</summary>
    protected abstract IEnumerable<ISagaClassMap> Configurations { get; }

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        foreach (var map in Configurations)
            map.Configure(modelBuilder);
    }
}

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
