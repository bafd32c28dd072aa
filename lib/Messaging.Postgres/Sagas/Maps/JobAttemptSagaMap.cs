using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Maps the attempts of jobs; they are deleted with their job.</summary>
/// <param name="optimistic">Whether the repository has optimistic concurrency, which needs a row version.</param>
public class JobAttemptSagaMap(bool optimistic) : SagaClassMap<JobAttemptSaga>
{
    /// <inheritdoc />
    protected override void Configure(EntityTypeBuilder<JobAttemptSaga> entity, ModelBuilder model)
    {
        ArgumentNullException.ThrowIfNull(entity);
        entity.HasRowVersion(optimistic, x => x.RowVersion);
        entity.Ignore(x => x.Version);
        entity.HasOne<JobSaga>().WithMany().HasForeignKey(x => x.JobId).OnDelete(DeleteBehavior.Cascade);
        entity.HasIndex(x => new { x.JobId, x.RetryAttempt }).IsUnique();
    }
}
