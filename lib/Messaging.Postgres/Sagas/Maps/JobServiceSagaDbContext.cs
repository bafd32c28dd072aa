using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>A DbContext of the sagas of job consumers, for repositories with pessimistic concurrency.</summary>
public class JobServiceSagaDbContext : SagaDbContext
{
    /// <summary>Creates a context with these options.</summary>
    public JobServiceSagaDbContext(DbContextOptions<JobServiceSagaDbContext> options) : base(options)
    {
    }

    /// <summary>For derived contexts.</summary>
    protected JobServiceSagaDbContext(DbContextOptions options) : base(options)
    {
    }

    /// <inheritdoc />
    protected override IEnumerable<ISagaClassMap> Configurations =>
    [
        new JobTypeSagaMap(optimistic: false), new JobSagaMap(optimistic: false),
        new JobAttemptSagaMap(optimistic: false),
    ];
}
