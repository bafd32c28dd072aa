using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Maps the jobs of job consumers.</summary>
/// <param name="optimistic">Whether the repository has optimistic concurrency, which needs a row version.</param>
public class JobSagaMap(bool optimistic) : SagaClassMap<JobSaga>
{
    /// <inheritdoc />
    protected override void Configure(EntityTypeBuilder<JobSaga> entity, ModelBuilder model)
    {
        ArgumentNullException.ThrowIfNull(entity);
        entity.HasRowVersion(optimistic, x => x.RowVersion);
        entity.Ignore(x => x.Version);
        entity.Property(x => x.Job).HasJsonConversion();
        entity.Property(x => x.JobState).HasJsonConversion();
        entity.Property(x => x.JobProperties).HasJsonConversion();
        entity.Property(x => x.IncompleteAttempts).HasJsonConversion();
    }
}
