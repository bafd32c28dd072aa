using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A DbContext whose model consists of saga class maps.</summary>
public abstract class SagaDbContext : DbContext
{
    /// <summary>Creates a context with these options.</summary>
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
