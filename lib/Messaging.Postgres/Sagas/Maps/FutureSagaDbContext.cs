using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A DbContext of futures, for a repository with pessimistic concurrency.</summary>
public class FutureSagaDbContext : SagaDbContext
{
    /// <summary>Creates a context with these options.</summary>
    public FutureSagaDbContext(DbContextOptions<FutureSagaDbContext> options) : base(options)
    {
    }

    /// <summary>For derived contexts.</summary>
    protected FutureSagaDbContext(DbContextOptions options) : base(options)
    {
    }

    /// <inheritdoc />
    protected override IEnumerable<ISagaClassMap> Configurations => [new FutureStateMap(optimistic: false)];
}
