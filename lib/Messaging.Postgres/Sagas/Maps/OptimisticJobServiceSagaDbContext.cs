using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A DbContext of the sagas of job consumers, for repositories with optimistic concurrency.</summary>
public class OptimisticJobServiceSagaDbContext(DbContextOptions<OptimisticJobServiceSagaDbContext> options)
    : JobServiceSagaDbContext(options)
{
    /// <inheritdoc />
    protected override IEnumerable<ISagaClassMap> Configurations =>
    [
        new JobTypeSagaMap(optimistic: true), new JobSagaMap(optimistic: true), new JobAttemptSagaMap(optimistic: true),
    ];
}
