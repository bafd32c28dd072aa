using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A DbContext of futures, for a repository with optimistic concurrency.</summary>
public class OptimisticFutureSagaDbContext(DbContextOptions<OptimisticFutureSagaDbContext> options)
    : FutureSagaDbContext(options)
{
    /// <inheritdoc />
    protected override IEnumerable<ISagaClassMap> Configurations => [new FutureStateMap(optimistic: true)];
}
