using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Maps the types of jobs: how many of each run, and where.</summary>
/// <param name="optimistic">Whether the repository has optimistic concurrency, which needs a row version.</param>
public class JobTypeSagaMap(bool optimistic) : SagaClassMap<JobTypeSaga>
{
    /// <inheritdoc />
    protected override void Configure(EntityTypeBuilder<JobTypeSaga> entity, ModelBuilder model)
    {
        ArgumentNullException.ThrowIfNull(entity);
        entity.HasRowVersion(optimistic, x => x.RowVersion);
        entity.Ignore(x => x.Version);
        entity.Property(x => x.ActiveJobs).HasJsonConversion();
        entity.Property(x => x.Instances).HasJsonConversion();
        entity.Property(x => x.Properties).HasJsonConversion();
    }
}
